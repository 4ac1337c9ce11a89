// From a Scenario to a file: everything resolved, in an order that depends on nothing but
// the scenario.
#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "base/overload.hh"
#include "model/addressing.hh"
#include "readers/link_words.hh"
#include "readers/read_scenario.hh"
#include "readers/scenario_draft.hh"
#include "readers/selector.hh"
#include "readers/shell_words.hh"
#include "readers/unit_text.hh"
#include "readers/yaml_node.hh"

namespace pleat {

namespace {

// A text that no ${variable} is found in.
std::string escaped(std::string_view text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text.substr(i).starts_with("${")) result += '$';
        result += text[i];
    }
    return result;
}

std::string scalar(std::string_view text, bool in_flow = false) {
    return yaml_scalar(escaped(text), in_flow);
}

template <typename Range>
std::string flow_list(const Range& texts) {
    std::string list;
    for (const auto& text : texts) list += (list.empty() ? "" : ", ") + scalar(text, true);
    return "[" + list + "]";
}

// "image: nginx" is "image", "nginx".
std::pair<std::string, std::string> split_entry(const std::string& entry) {
    const auto colon = entry.find(": ");
    if (colon == std::string::npos) return {entry, ""};
    return {entry.substr(0, colon), entry.substr(colon + 2)};
}

class Writer {
  public:
    explicit Writer(const Scenario& scenario)
        : scenario_{&scenario},
          topology_{&scenario.topology},
          names_{*topology_, scenario.groups} {}

    std::string write() {
        line("pleat: 1");
        line("name: " + scalar(scenario_->name));
        line("seed: " + std::to_string(scenario_->seed));
        if (scenario_->duration) line("duration: " + to_text(*scenario_->duration));
        if (scenario_->routing == Routing::hops) line("routing: hops");
        line("addresses: " + scalar(scenario_->addresses));
        write_hosts();
        write_bridges();
        write_links();
        write_groups();
        write_events();
        if (!scenario_->expectations.empty()) line("\nexpect:");
        for (const std::string& text : scenario_->expectations) line("  - " + scalar(text));
        write_not_yet();
        return std::move(text_);
    }

  private:
    void line(const std::string& text) { text_ += text + "\n"; }

    // The keys of a host, without replicas.
    std::vector<std::string> entries(HostId id) const {
        const Application& app = scenario_->applications[id.value];
        std::vector<std::string> result;
        if (!app.arguments.empty()) {
            std::vector<std::string> arguments;
            arguments.reserve(app.arguments.size());
            for (const auto& argument : app.arguments) {
                arguments.push_back(with_dollars_doubled(argument));
            }
            result.push_back("run: " + scalar(join_shell(arguments)));
        }
        const auto add_map = [&](const char* key, const std::map<std::string, std::string>& map,
                                 bool dollars) {
            if (map.empty()) return;
            std::string flow;
            for (const auto& [name, value] : map) {
                flow += (flow.empty() ? "" : ", ") + scalar(name, true) + ": " +
                        scalar(dollars ? with_dollars_doubled(value) : value, true);
            }
            result.push_back(std::string{key} + ": {" + flow + "}");
        };
        add_map("env", app.environment, true);
        add_map("sysctls", app.sysctls, false);
        if (!app.user.empty()) result.push_back("user: " + scalar(app.user));
        if (app.ready) {
            std::visit(
                Overload{
                    [&](const ReadyWhenListening& ready) {
                        result.push_back("ready: {tcp: " + std::to_string(ready.tcp_port) + "}");
                    },
                    [&](const ReadyWhenFile& ready) {
                        result.push_back("ready: {file: " +
                                         scalar(with_dollars_doubled(ready.path), true) + "}");
                    },
                    [&](const ReadyAfter& ready) {
                        result.push_back("ready: {after: " + to_text(ready.delay) + "}");
                    },
                },
                *app.ready);
        }
        if (!app.after.empty()) {
            std::vector<std::string> hosts;
            hosts.reserve(app.after.size());
            for (const HostId host : app.after) hosts.push_back(topology_->host(host).name);
            result.push_back("after: " + flow_list(hosts));
        }
        if (app.main) result.emplace_back("main: true");
        if (app.manual) result.emplace_back("start: manual");
        const std::string place = place_rule_text(app.place);
        if (!place.empty()) result.push_back("place: " + scalar(with_dollars_doubled(place), true));
        if (app.attached) {
            result.push_back(
                "attach: " +
                scalar(with_dollars_doubled("machine:" + app.attached->machine), true));
            result.push_back("address: " + ipv4_text(app.attached->ipv4));
            if (!app.attached->stop.empty()) {
                std::vector<std::string> words;
                for (const std::string& word : app.attached->stop) {
                    words.push_back(with_dollars_doubled(word));
                }
                result.push_back("stop: " + scalar(join_shell(words)));
            }
        }
        const auto& tags = topology_->host(id).tags;
        if (!tags.empty()) result.push_back("tags: " + flow_list(tags));
        for (const std::string& entry : app.not_yet) {
            const auto [key, value] = split_entry(entry);
            result.push_back(key + ": " + with_dollars_doubled(value));
        }
        return result;
    }

    void write_host(const std::string& name, const std::vector<std::string>& entries) {
        if (entries.empty()) return line("  " + scalar(name) + ":");
        line("  " + scalar(name) + ":");
        for (const std::string& entry : entries) line("    " + entry);
    }

    // Replicas that are all alike are written once, else each for itself.
    void write_hosts() {
        const auto hosts = topology_->hosts();
        if (hosts.empty()) return;
        line("\nhosts:");
        for (std::uint32_t first = 0; first < hosts.size();) {
            std::uint32_t end = first + 1;
            while (end < hosts.size() && hosts[end].group == hosts[first].group) ++end;
            if (!scenario_->applications[first].outside) write_group_of_hosts(first, end);
            first = end;
        }
    }

    void write_group_of_hosts(std::uint32_t first, std::uint32_t end) {
        const Host& host = topology_->host(HostId{first});
        const std::vector<std::string> common = entries(HostId{first});
        if (!host.replicated) return write_host(host.group, common);
        const std::string replicas = "replicas: " + std::to_string(end - first);
        bool alike = true;
        for (std::uint32_t i = first + 1; alike && i < end; ++i) {
            alike = entries(HostId{i}) == common;
        }
        if (alike) {
            std::vector<std::string> all{replicas};
            all.insert(all.end(), common.begin(), common.end());
            return write_host(host.group, all);
        }
        write_host(host.group, {replicas});
        for (std::uint32_t i = first; i < end; ++i) {
            const auto own = entries(HostId{i});
            if (!own.empty()) write_host(topology_->host(HostId{i}).name, own);
        }
    }

    void write_bridges() {
        bool any = false;
        for (const Bridge& bridge : topology_->bridges()) {
            if (bridge.hidden) continue;
            if (!std::exchange(any, true)) line("\nbridges:");
            if (bridge.tags.empty()) {
                line("  " + scalar(bridge.name) + ":");
            } else {
                line("  " + scalar(bridge.name) + ": {tags: " + flow_list(bridge.tags) + "}");
            }
        }
    }

    // Is one end a hidden bridge, and the other a replica behind it?
    bool is_access(const Link& link) const {
        const auto hidden = [this](VertexId v) -> const Bridge* {
            if (topology_->is_host(v)) return nullptr;
            const Bridge& bridge = topology_->bridges()[topology_->bridge_of(v).value];
            return bridge.hidden ? &bridge : nullptr;
        };
        const auto behind = [this](const Bridge* bridge, VertexId v) {
            return bridge != nullptr && topology_->is_host(v) &&
                   topology_->host(HostId{v.value}).group == bridge->label;
        };
        return behind(hidden(link.from), link.to) || behind(hidden(link.to), link.from);
    }

    bool is_hidden(VertexId v) const {
        return !topology_->is_host(v) && topology_->bridges()[topology_->bridge_of(v).value].hidden;
    }

    // Some replicas of a host, as a link's end.
    std::string replicas_text(const std::vector<VertexId>& replicas) const {
        const Host& host = topology_->host(HostId{replicas.front().value});
        if (replicas.size() == 1) return host.name;
        if (replicas == names_.replicas_of(host.group)) return host.group;
        std::string numbers;
        for (const VertexId replica : replicas) {
            numbers += (numbers.empty() ? "" : ",") +
                       std::to_string(topology_->host(HostId{replica.value}).replica);
        }
        return host.group + "[" + numbers + "]";
    }

    // How the file writes an end. A hidden bridge is the replicas behind it.
    std::string end_text(VertexId v) const {
        if (topology_->is_host(v)) {
            return scenario_->applications[v.value].outside ? "@outside" : topology_->name(v);
        }
        if (!is_hidden(v)) return topology_->name(v);
        std::vector<VertexId> replicas;
        for (const LinkId id : topology_->out_links(v)) {
            if (is_access(topology_->link(id))) replicas.push_back(topology_->link(id).to);
        }
        std::ranges::sort(replicas);
        return replicas_text(replicas);
    }

    // The other ends of the links that the replicas behind a hidden bridge share, when these
    // are several: replicas that share nothing.
    std::vector<VertexId> peers_of(VertexId hidden) const {
        std::vector<VertexId> peers;
        for (const auto& links : {topology_->out_links(hidden), topology_->in_links(hidden)}) {
            for (const LinkId id : links) {
                const Link& link = topology_->link(id);
                if (!is_access(link)) peers.push_back(link.from == hidden ? link.to : link.from);
            }
        }
        std::ranges::sort(peers);
        const auto rest = std::ranges::unique(peers);
        peers.erase(rest.begin(), rest.end());
        return peers;
    }

    std::string trace_of(LinkId id) const {
        const std::string prefix = "link " + topology_->label(id) + ": trace=";
        for (const std::string& entry : scenario_->not_yet) {
            if (entry.starts_with(prefix)) return entry.substr(prefix.size());
        }
        return {};
    }

    std::string words(LinkId id, std::optional<LinkId> back) const {
        const Link& link = topology_->link(id);
        LinkPatch patch = patch_of(link.properties);
        std::optional<Bandwidth> up;
        std::optional<Bandwidth> down;
        if (back && topology_->link(*back).properties != link.properties) {
            up = link.properties.bandwidth;
            down = topology_->link(*back).properties.bandwidth;
            patch.bandwidth.reset();
        }
        std::string text = link_words_text(patch, up, down);
        if (!link.name.empty()) text += " name=" + link.name;
        for (std::size_t i = 0; i < link.tags.size(); ++i) {
            text += (i == 0 ? " tags=" : ",") + link.tags[i];
        }
        if (!link.up) text += " down";
        text += shared_word(link);
        const std::string trace = trace_of(id);
        if (!trace.empty()) text += " trace=" + trace;
        return text;
    }

    std::string shared_word(const Link& link) const {
        if (!is_hidden(link.from) && !is_hidden(link.to)) return "";
        if (is_hidden(link.from) && is_hidden(link.to)) return " shared";
        const VertexId hidden = is_hidden(link.from) ? link.from : link.to;
        if (peers_of(hidden).size() == 1) return " shared";
        return " shared=" + topology_->bridges()[topology_->bridge_of(hidden).value].label;
    }

    // The link back, if it is like this one but for its bandwidth.
    std::optional<LinkId> counterpart(LinkId id, const std::set<LinkId>& written) const {
        const Link& link = topology_->link(id);
        for (const LinkId other : topology_->out_links(link.to)) {
            const Link& back = topology_->link(other);
            if (back.to != link.from || other == id || written.contains(other)) continue;
            LinkProperties same_rate = back.properties;
            same_rate.bandwidth = link.properties.bandwidth;
            const bool alike = back.name == link.name && back.tags == link.tags &&
                               back.up == link.up && same_rate == link.properties &&
                               trace_of(other) == trace_of(id);
            if (alike) return other;
        }
        return std::nullopt;
    }

    void write_links() {
        std::set<LinkId> written;
        for (std::uint32_t i = 0; i < topology_->links().size(); ++i) {
            const LinkId id{i};
            const Link& link = topology_->link(id);
            if (written.contains(id) || is_access(link)) continue;
            if (written.empty()) line("\nlinks:");
            written.insert(id);
            const auto back = counterpart(id, written);
            if (back) written.insert(*back);
            std::string from = end_text(link.from);
            std::string to = end_text(link.to);
            if (is_hidden(link.from) != is_hidden(link.to)) {
                const VertexId hidden = is_hidden(link.from) ? link.from : link.to;
                const auto peers = peers_of(hidden);
                if (peers.size() > 1) {
                    (hidden == link.from ? to : from) = replicas_text(peers);
                    skip_alike(link, back.has_value(), written);
                }
            }
            from += back ? " -- " : " -> ";
            from += to;
            line("  - " + scalar(from) + ": " + scalar(words(id, back)));
        }
    }

    // One line stands for the links from a hidden bridge to all its peers.
    void skip_alike(const Link& link, bool both, std::set<LinkId>& written) const {
        const VertexId hidden = is_hidden(link.from) ? link.from : link.to;
        const bool out = hidden == link.from;
        const auto skip = [&](std::span<const LinkId> links) {
            for (const LinkId id : links) {
                if (!is_access(topology_->link(id))) written.insert(id);
            }
        };
        if (both || out) skip(topology_->out_links(hidden));
        if (both || !out) skip(topology_->in_links(hidden));
    }

    void write_groups() {
        if (scenario_->groups.empty()) return;
        line("\ngroups:");
        for (const auto& [name, members] : scenario_->groups) {
            std::vector<std::string> names;
            for (const VertexId v : members) names.push_back(topology_->name(v));
            line("  " + scalar(name) + ": " + flow_list(names));
        }
    }

    // A line may have made several equal-looking events, one a direction; the number of
    // equal ones is the number of its lines.
    void write_events() {
        using Key = std::tuple<ExperimentTime, ExperimentTime, std::string>;
        std::map<Key, std::map<Event, int>> lines;
        std::map<std::uint32_t, ExperimentTime> ends;
        for (const TimedEvent& event : scenario_->timeline) {
            if (event.phase == Phase::end) ends[event.overlay] = event.at;
        }
        for (const TimedEvent& event : scenario_->timeline) {
            if (event.phase == Phase::end) continue;
            ExperimentTime until = event.at;
            if (event.phase == Phase::begin) until = ends[event.overlay];
            ++lines[Key{event.at, until, event.text}][event.event];
        }
        events_begun_ = !lines.empty();
        if (events_begun_) line("\nevents:");
        for (const auto& [key, events] : lines) {
            const auto& [at, until, text] = key;
            std::string when = to_text(at.time_since_epoch());
            if (until != at) when += ".." + to_text(until.time_since_epoch());
            for (int i = 0; i < events.begin()->second; ++i) {
                line("  - " + when + ": " + scalar(text));
            }
        }
        for (const std::string& entry : scenario_->not_yet) {
            if (!entry.starts_with("event ")) continue;
            if (!std::exchange(events_begun_, true)) line("\nevents:");
            const auto [when, text] = split_entry(entry.substr(6));
            line("  - " + scalar(when) + ": " + scalar(text));
        }
    }

    void write_not_yet() {
        for (const std::string& entry : scenario_->not_yet) {
            if (entry.starts_with("event ") || entry.starts_with("link ")) continue;
            line("\n" + escaped(entry));
        }
    }

    const Scenario* scenario_;
    const Topology* topology_;
    Selector names_;
    std::string text_;
    bool events_begun_ = false;
};

}  // namespace

std::string write_yaml(const Scenario& scenario) {
    return Writer{scenario}.write();
}

}  // namespace pleat
