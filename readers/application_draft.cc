#include "readers/application_draft.hh"

#include <algorithm>
#include <map>

#include "base/overload.hh"
#include "model/addressing.hh"
#include "model/bare_metal.hh"
#include "readers/shell_words.hh"
#include "readers/topology_draft.hh"

namespace pleat {

namespace {

template <typename T>
void take(T& field, const std::optional<T>& said) {
    if (said) field = *said;
}

class Maker {
  public:
    Maker(const ScenarioDraft& draft, Selector& names, Report& report)
        : draft_{&draft}, names_{&names}, report_{&report} {}

    std::vector<Application> make() {
        applications_.resize(names_->topology().hosts().size());
        places_.resize(applications_.size());
        for (const HostDraft& host : draft_->hosts) {
            const auto hosts = names_->hosts(Word{host.name + "[*]", 0});
            if (!hosts) continue;  // a name used twice: reported
            for (const HostId id : *hosts) {
                places_[id.value] = host.place;
                apply(host.application, id);
                applications_[id.value].outside = host.outside;
            }
        }
        for (const ReplicaDraft& replica : draft_->replicas) {
            const std::string name = replica.host + "[" + std::to_string(replica.replica) + "]";
            const auto hosts = names_->hosts(Word{name, 0});
            if (!hosts) {
                report_unknown(*draft_, replica.place, hosts.error().message, hosts.error().suggest,
                               *report_);
                continue;
            }
            for (const HostId id : *hosts) apply(replica.application, id);
        }
        for (Application& application : applications_) std::ranges::sort(application.not_yet);
        check_attached();
        check_order();
        return std::move(applications_);
    }

  private:
    void apply(const ApplicationDraft& said, HostId id) {
        const Host& host = names_->topology().host(id);
        const std::string number = std::to_string(host.replica);
        const auto own = [&](const std::string& text) {
            return with_replica(text, number, host.name);
        };
        Application& application = applications_[id.value];
        if (said.arguments) {
            application.arguments.clear();
            for (const std::string& argument : *said.arguments) {
                application.arguments.push_back(own(argument));
            }
        }
        if (said.environment) {
            application.environment.clear();
            for (const auto& [key, value] : *said.environment) {
                application.environment.emplace(key, own(value));
            }
        }
        take(application.sysctls, said.sysctls);
        take(application.user, said.user);
        if (said.ready) {
            application.ready = said.ready;
            if (auto* file = std::get_if<ReadyWhenFile>(&*application.ready)) {
                file->path = own(file->path);
            }
        }
        take(application.main, said.main);
        take(application.manual, said.manual);
        attach(said, own, application);
        if (said.place) application.place = parse_place_rule(own(*said.place)).value();
        if (said.after) resolve_after(*said.after, application);
        for (const auto& [key, value] : said.not_yet) {
            std::erase_if(application.not_yet,
                          [&](const std::string& other) { return other.starts_with(key + ":"); });
            application.not_yet.push_back(key + ": " + own(value));
        }
    }

    template <typename Own>
    void attach(const ApplicationDraft& said, const Own& own, Application& application) {
        if (said.machine) {
            if (!application.attached) application.attached.emplace();
            application.attached->machine = own(*said.machine);
        }
        if (!said.address && !said.stop) return;
        if (!application.attached) {
            report_->error(said.attached_place.value_or(Place{}), "bad-form",
                           "address: and stop: are those of a host with `attach: machine:NAME`");
            return;
        }
        if (said.address) {
            const Result<std::uint32_t> ipv4 = parse_ipv4(own(*said.address));
            if (ipv4) {
                application.attached->ipv4 = *ipv4;
            } else {
                has_bad_address_ = true;
                report_->error(said.attached_place.value_or(Place{}), "bad-value",
                               "address: " + ipv4.error().message);
            }
        }
        if (said.stop) {
            application.attached->stop.clear();
            for (const std::string& word : *said.stop) {
                application.attached->stop.push_back(own(word));
            }
        }
    }

    void resolve_after(const std::vector<std::pair<std::string, Place>>& after,
                       Application& application) {
        application.after.clear();
        for (const auto& [pattern, place] : after) {
            const auto hosts = names_->hosts(Word{pattern, 0});
            if (!hosts) {
                report_unknown(*draft_, place, hosts.error().message, hosts.error().suggest,
                               *report_);
                continue;
            }
            application.after.insert(application.after.end(), hosts->begin(), hosts->end());
        }
        std::ranges::sort(application.after);
        const auto rest = std::ranges::unique(application.after);
        application.after.erase(rest.begin(), rest.end());
    }

    // Each machine is one host, by an address of its own.
    void check_attached() {
        if (const auto mixed = mixed_hosts(names_->topology(), applications_)) {
            const auto other = std::ranges::find_if(
                applications_, [](const Application& one) { return !one.attached; });
            report_->error(places_[static_cast<std::size_t>(other - applications_.begin())],
                           "mixed-hosts", *mixed);
        }
        std::map<std::string, std::uint32_t> machines;
        std::map<std::uint32_t, std::uint32_t> addresses;
        const auto name = [this](std::uint32_t host) {
            return "'" + names_->topology().host(HostId{host}).name + "'";
        };
        for (std::uint32_t i = 0; i < applications_.size(); ++i) {
            const auto& attached = applications_[i].attached;
            if (!attached) continue;
            if (attached->ipv4 == 0) {
                if (has_bad_address_) continue;
                report_->error(places_[i], "missing",
                               name(i) + " is the machine " + attached->machine +
                                   ": it needs `address:`, an IPv4 address that the machine has");
                continue;
            }
            const auto [machine, fresh] = machines.emplace(attached->machine, i);
            if (!fresh) {
                report_->error(places_[i], "duplicate-name",
                               name(i) + " and " + name(machine->second) +
                                   " are both the machine " + attached->machine);
            }
            const auto [address, unused] = addresses.emplace(attached->ipv4, i);
            if (!unused) {
                report_->error(
                    places_[i], "duplicate-name",
                    name(i) + " and " + name(address->second) + " have the same address");
            }
        }
    }

    // Hosts that wait for each other would wait for ever. Takes away, again and again, the
    // hosts that nobody is left for (Kahn's algorithm).
    void check_order() {
        std::vector<std::size_t> waits_for(applications_.size());
        std::vector<std::vector<std::uint32_t>> waited_for_by(applications_.size());
        std::vector<std::uint32_t> free;
        for (std::uint32_t i = 0; i < applications_.size(); ++i) {
            waits_for[i] = applications_[i].after.size();
            if (waits_for[i] == 0) free.push_back(i);
            for (const HostId other : applications_[i].after) {
                waited_for_by[other.value].push_back(i);
            }
        }
        while (!free.empty()) {
            const std::uint32_t host = free.back();
            free.pop_back();
            for (const std::uint32_t other : waited_for_by[host]) {
                if (--waits_for[other] == 0) free.push_back(other);
            }
        }
        for (std::uint32_t i = 0; i < applications_.size(); ++i) {
            if (waits_for[i] == 0) continue;
            report_->error(places_[i], "cycle",
                           "'" + names_->topology().host(HostId{i}).name +
                               "' starts after itself (after:), in the end");
            return;
        }
    }

    const ScenarioDraft* draft_;
    Selector* names_;
    Report* report_;
    std::vector<Application> applications_;
    std::vector<Place> places_;
    bool has_bad_address_ = false;
};

}  // namespace

std::vector<Application> make_applications(const ScenarioDraft& draft, Selector& names,
                                           Report& report) {
    return Maker{draft, names, report}.make();
}

}  // namespace pleat
