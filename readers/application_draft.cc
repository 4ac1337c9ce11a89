#include "readers/application_draft.hh"

#include <algorithm>

#include "base/overload.hh"
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
        if (said.place) application.place = parse_place_rule(own(*said.place)).value();
        if (said.after) resolve_after(*said.after, application);
        for (const auto& [key, value] : said.not_yet) {
            std::erase_if(application.not_yet,
                          [&](const std::string& other) { return other.starts_with(key + ":"); });
            application.not_yet.push_back(key + ": " + own(value));
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
};

}  // namespace

std::vector<Application> make_applications(const ScenarioDraft& draft, Selector& names,
                                           Report& report) {
    return Maker{draft, names, report}.make();
}

}  // namespace pleat
