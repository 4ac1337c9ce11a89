#include "readers/topology_draft.hh"

#include <algorithm>
#include <set>
#include <unordered_map>

#include "readers/replica_set.hh"
#include "readers/spelling.hh"
#include "readers/text_problem.hh"

namespace pleat {

namespace {

constexpr std::size_t kMostHosts = 65'000;
constexpr std::size_t kMostLinks = 500'000;
// The key of a path holds its latency in 47 bits.
constexpr Duration kLongestPath{std::int64_t{1} << 47U};

std::string replica_name(const HostDraft& host, std::uint32_t replica) {
    if (!host.replicas) return host.name;
    return host.name + "[" + std::to_string(replica) + "]";
}

// An end of a link: some replicas of a host, or one point.
struct End {
    const HostDraft* host = nullptr;  // nullptr: a bridge
    std::vector<std::string> names;

    bool several() const { return names.size() > 1; }
};

class Expander {
  public:
    Expander(const ScenarioDraft& draft, std::uint32_t source, Report& report)
        : draft_{&draft}, source_{source}, report_{&report} {}

    std::optional<ExpandedTopology> run() {
        add_hosts();
        add_bridges();
        if (too_many_) return std::nullopt;
        for (const LinkDraft& link : draft_->links) add_link(link);
        check_links_of_hosts();
        if (too_many_) return std::nullopt;
        auto topology = std::move(builder_).build();
        if (!topology) {
            report_->error(Place{source_, 0, 0}, "topology", topology.error().message);
            return std::nullopt;
        }
        check_latencies(*topology);
        return ExpandedTopology{std::move(*topology), std::move(traces_)};
    }

  private:
    // Is the name free? Reports when not.
    bool claim(const std::string& name, Place place, const char* what) {
        const auto [first, fresh] = places_.emplace(name, place);
        if (fresh) return true;
        const Place other = first->second;
        std::string where = "line " + std::to_string(other.line);
        if (other.source != place.source) where = report_->name(other.source) + ", " + where;
        report_->error(place, "duplicate-name",
                       std::string{what} + " '" + name + "' is defined twice, first in " + where);
        return false;
    }

    void add_hosts() {
        for (const HostDraft& host : draft_->hosts) {
            if (!claim(host.name, host.place, "the name")) continue;
            const std::uint32_t replicas = host.replicas.value_or(1);
            if (host_count_ + replicas > kMostHosts) {
                if (!too_many_) {
                    report_->error(
                        host.place, "limit",
                        "the topology has more than " + std::to_string(kMostHosts) + " hosts");
                }
                too_many_ = true;
                continue;
            }
            host_count_ += replicas;
            hosts_.emplace(host.name, &host);
            for (std::uint32_t i = 0; i < replicas; ++i) {
                Host made;
                made.name = replica_name(host, i);
                made.group = host.name;
                made.replica = i;
                made.replicated = host.replicas.has_value();
                made.tags = tags_of(host, i);
                builder_.add(std::move(made));
            }
        }
        // Replica 0 of "web" answers to the name web-0.
        for (const HostDraft& host : draft_->hosts) {
            const auto dash = host.name.rfind('-');
            if (dash == std::string::npos) continue;
            const auto other = hosts_.find(host.name.substr(0, dash));
            const std::string number = host.name.substr(dash + 1);
            if (other == hosts_.end() || !other->second->replicas || number.size() > 6 ||
                number.find_first_not_of("0123456789") != std::string::npos) {
                continue;
            }
            if (std::stoul(number) < *other->second->replicas) {
                report_->error(host.place, "duplicate-name",
                               "'" + host.name + "' is also the address name of " + other->first +
                                   "[" + number + "]");
            }
        }
    }

    std::vector<std::string> tags_of(const HostDraft& host, std::uint32_t replica) {
        if (replica_tags_.empty()) {
            for (const ReplicaDraft& own : draft_->replicas) {
                if (own.application.tags) {
                    replica_tags_.emplace(own.host + "[" + std::to_string(own.replica) + "]",
                                          *own.application.tags);
                }
            }
            replica_tags_.emplace("", std::vector<std::string>{});  // looked for
        }
        const auto own = replica_tags_.find(replica_name(host, replica));
        if (own != replica_tags_.end()) return own->second;
        return host.application.tags.value_or(std::vector<std::string>{});
    }

    void add_bridges() {
        for (const BridgeDraft& bridge : draft_->bridges) {
            if (!claim(bridge.name, bridge.place, "the name")) continue;
            bridges_.insert(bridge.name);
            builder_.add(Bridge{bridge.name, bridge.name, false, bridge.tags});
        }
    }

    std::optional<End> find_end(const std::string& text, Place place) {
        if (bridges_.contains(text)) return End{nullptr, {text}};
        const auto [base, inner] = split_brackets(text);
        const auto found = hosts_.find(std::string{base});
        if (found == hosts_.end()) {
            NearestWord nearest{base};
            if (report_->patient()) {
                for (const auto& [name, host] : hosts_) nearest.consider(name);
                for (const std::string& bridge : bridges_) nearest.consider(bridge);
            }
            report_unknown(*draft_, place, "there is no host or bridge '" + text + "'",
                           nearest.found(), *report_);
            return std::nullopt;
        }
        const HostDraft& host = *found->second;
        linked_.insert(host.name);
        const std::uint32_t replicas = host.replicas.value_or(1);
        End end{&host, {}};
        const auto set = inner ? ReplicaSet::parse(*inner) : ReplicaSet::parse("*");
        for (std::uint32_t i = 0; set && i < replicas; ++i) {
            if (set->contains(i)) end.names.push_back(replica_name(host, i));
        }
        if (end.names.empty()) {
            report_->error(place, "unknown-name",
                           "there is no host '" + text + "'; '" + host.name + "' has " +
                               std::to_string(replicas) +
                               (replicas == 1 ? " replica" : " replicas"));
            return std::nullopt;
        }
        return end;
    }

    // Puts a hidden bridge before replicas that share a link. Its name can't be a user's.
    void hide(End& end, const std::string& other, const LinkDraft& link) {
        const std::string name =
            end.host->name + "@" + other + (link.name.empty() ? "" : "#" + link.name);
        const auto [first, fresh] = hidden_.emplace(name, link.from_place);
        if (!fresh) {
            report_->error(link.from_place, "duplicate-name",
                           "two links between '" + end.host->name + "' and '" + other +
                               "' are shared; give them name= to tell them apart");
            end.names.clear();
            return;
        }
        builder_.add(Bridge{name, end.host->name, true, {}});
        for (const std::string& replica : end.names) {
            put(replica, name, LinkProperties{}, "", {}, true);
            put(name, replica, LinkProperties{}, "", {}, true);
        }
        end.names = {name};
    }

    void put(const std::string& from, const std::string& to, const LinkProperties& properties,
             const std::string& name, const std::vector<std::string>& tags, bool up) {
        ++link_count_;
        builder_.add_link(from, to, properties, name, tags, up);
    }

    void add_link(const LinkDraft& link) {
        if (too_many_) return;
        auto from = find_end(link.from, link.from_place);
        auto to = find_end(link.to, link.to_place);
        if (!from || !to) return;
        const std::string from_label = from->host != nullptr ? from->host->name : from->names[0];
        const std::string to_label = to->host != nullptr ? to->host->name : to->names[0];
        const bool share_from = link.shared_from && from->several();
        const bool share_to = link.shared_to && to->several();
        if ((share_from || share_to) && from_label == to_label) {
            report_->error(link.from_place, "bad-link",
                           "replicas of one host can't share a link to themselves");
            return;
        }
        if (from->names == to->names && from->names.size() == 1) {
            report_->error(
                link.to_place, "bad-link",
                "a link from '" + link.from + "' to itself; expected two different ends");
            return;
        }
        if (share_from) hide(*from, to_label, link);
        if (share_to) hide(*to, from_label, link);
        if (link_count_ + 2 * from->names.size() * to->names.size() > kMostLinks) {
            report_->error(link.from_place, "limit",
                           "the topology has more than " + std::to_string(kMostLinks) + " links");
            too_many_ = true;
            return;
        }
        std::set<std::pair<std::string, std::string>> made;
        const bool overlap = from->host != nullptr && from->host == to->host;
        for (const std::string& a : from->names) {
            for (const std::string& b : to->names) {
                if (a == b) continue;
                // Replicas of one host among each other: each pair once.
                if (overlap && link.two_way && !made.insert(std::minmax(a, b)).second) continue;
                put(a, b, link.forward, link.name, link.tags, link.up);
                if (link.two_way) put(b, a, link.backward, link.name, link.tags, link.up);
                if (link.trace.empty()) continue;
                const std::string x = share_from ? from_label : a;
                const std::string y = share_to ? to_label : b;
                note_trace(x, y, link);
                if (link.two_way) note_trace(y, x, link);
            }
        }
    }

    void note_trace(const std::string& from, const std::string& to, const LinkDraft& link) {
        traces_.push_back("link " + from + "->" + to + (link.name.empty() ? "" : "#" + link.name) +
                          ": trace=" + link.trace);
    }

    void check_links_of_hosts() {
        if (draft_->incomplete || host_count_ <= 1) return;
        for (const HostDraft& host : draft_->hosts) {
            if (!linked_.contains(host.name)) {
                report_->error(host.place, "no-link",
                               "no link leads to the host '" + host.name + "'");
            }
        }
    }

    void check_latencies(const Topology& topology) {
        Duration longest{};
        for (const Link& link : topology.links()) {
            longest = std::max(longest, link.properties.latency);
        }
        const auto hops = static_cast<std::int64_t>(topology.bridges().size()) + 1;
        if (longest > kLongestPath / hops) {
            report_->error(Place{source_, 0, 0}, "limit",
                           "latencies of hours over so many bridges: a path would take days");
        }
    }

    const ScenarioDraft* draft_;
    std::uint32_t source_;
    Report* report_;
    TopologyBuilder builder_;
    std::unordered_map<std::string, Place> places_;
    std::unordered_map<std::string, const HostDraft*> hosts_;
    std::unordered_map<std::string, std::vector<std::string>> replica_tags_;
    std::set<std::string> bridges_;
    std::set<std::string> linked_;
    std::unordered_map<std::string, Place> hidden_;
    std::vector<std::string> traces_;
    std::size_t host_count_ = 0;
    std::size_t link_count_ = 0;
    bool too_many_ = false;
};

}  // namespace

void report_unknown(const ScenarioDraft& draft, Place place, const std::string& message,
                    const std::string& suggest, Report& report) {
    if (draft.incomplete) {
        report.note(place, "unknown-name", message + " in this file; generate: may make it");
    } else {
        report.error(place, "unknown-name", message, suggest);
    }
}

std::optional<ExpandedTopology> expand_topology(const ScenarioDraft& draft, std::uint32_t source,
                                                Report& report) {
    return Expander{draft, source, report}.run();
}

}  // namespace pleat
