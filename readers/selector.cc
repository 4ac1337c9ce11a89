#include "readers/selector.hh"

#include <algorithm>
#include <functional>
#include <optional>

#include "readers/replica_set.hh"
#include "readers/spelling.hh"

namespace pleat {

namespace {

bool is_glob(std::string_view pattern) {
    return pattern.find_first_of("*?") != std::string_view::npos;
}

template <typename T>
void sort_once(std::vector<T>& values) {
    std::ranges::sort(values);
    const auto rest = std::ranges::unique(values);
    values.erase(rest.begin(), rest.end());
}

bool has_tag(const std::vector<std::string>& tags, std::string_view pattern) {
    return std::ranges::any_of(tags,
                               [&](const std::string& tag) { return glob_matches(pattern, tag); });
}

// What follows "tag=" in the brackets.
std::optional<std::string_view> condition(std::optional<std::string_view> inner,
                                          std::string_view key) {
    if (!inner || !inner->starts_with(key) || inner->size() <= key.size() + 1) return std::nullopt;
    if ((*inner)[key.size()] != '=') return std::nullopt;
    return inner->substr(key.size() + 1);
}

// Of the hosts of one group, or of those that a glob matches.
std::vector<VertexId> hosts_of(const Topology& topology, std::string_view group) {
    std::vector<VertexId> found;
    const auto all = topology.hosts();
    if (is_glob(group)) {
        for (std::uint32_t i = 0; i < all.size(); ++i) {
            if (glob_matches(group, all[i].group)) found.push_back(VertexId{i});
        }
        return found;
    }
    // Hosts are sorted by group.
    const auto range = std::ranges::equal_range(
        all, group, std::less<>{}, [](const Host& h) { return std::string_view{h.group}; });
    for (const Host& host : range) {
        found.push_back(VertexId{static_cast<std::uint32_t>(&host - all.data())});
    }
    return found;
}

}  // namespace

bool glob_matches(std::string_view pattern, std::string_view text) {
    // The last '*' and where it began to match: there we try again, one further.
    std::size_t star = std::string_view::npos;
    std::size_t retry = 0;
    std::size_t p = 0;
    std::size_t t = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            retry = t;
        } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
            ++p;
            ++t;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            t = ++retry;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') ++p;
    return p == pattern.size();
}

Selector::Selector(const Topology& topology, const Groups& groups)
    : topology_{&topology},
      groups_{&groups},
      any_hidden_{std::ranges::any_of(topology.bridges(), &Bridge::hidden)} {}

std::vector<VertexId> Selector::find_points(std::string_view pattern) const {
    if (pattern.starts_with('@')) pattern.remove_prefix(1);
    if (const auto host = topology_->find_host(pattern)) return {Topology::vertex(*host)};
    if (const auto bridge = topology_->find_bridge(pattern)) {
        if (topology_->bridges()[bridge->value].hidden) return {};
        return {topology_->vertex(*bridge)};
    }
    const auto [base, inner] = split_brackets(pattern);
    std::vector<VertexId> found;
    if (!inner) {
        const auto group = groups_->find(std::string{base});
        if (group != groups_->end()) return group->second;
        found = hosts_of(*topology_, base);
        if (!is_glob(base)) return found;
        for (std::uint32_t i = 0; i < topology_->bridges().size(); ++i) {
            const Bridge& bridge = topology_->bridges()[i];
            if (!bridge.hidden && glob_matches(base, bridge.name)) {
                found.push_back(topology_->vertex(BridgeId{i}));
            }
        }
        return found;
    }
    if (const auto tag = condition(inner, "tag")) {
        const bool hosts_only = base == "host";
        const bool bridges_only = base == "bridge";
        for (std::uint32_t v = 0; v < topology_->vertex_count(); ++v) {
            const VertexId vertex{v};
            const bool host = topology_->is_host(vertex);
            if ((hosts_only && !host) || (bridges_only && host)) continue;
            const auto& tags = host ? topology_->host(HostId{v}).tags
                                    : topology_->bridges()[topology_->bridge_of(vertex).value].tags;
            if (!has_tag(tags, *tag)) continue;
            const std::string& name =
                host ? topology_->host(HostId{v}).group : topology_->name(vertex);
            if (hosts_only || bridges_only || glob_matches(base, name)) found.push_back(vertex);
        }
        return found;
    }
    const auto replicas = ReplicaSet::parse(*inner);
    if (!replicas) return {};
    for (const VertexId v : hosts_of(*topology_, base)) {
        if (replicas->contains(topology_->host(HostId{v.value}).replica)) found.push_back(v);
    }
    return found;
}

// A hidden bridge is called as the hosts behind it.
std::vector<VertexId> Selector::find_ends(std::string_view pattern) const {
    std::vector<VertexId> found = find_points(pattern);
    if (!any_hidden_) return found;
    const auto [base, inner] = split_brackets(pattern);
    if (inner) {
        const auto replicas = ReplicaSet::parse(*inner);
        if (!replicas || !replicas->all()) return found;
    }
    for (std::uint32_t i = 0; i < topology_->bridges().size(); ++i) {
        const Bridge& bridge = topology_->bridges()[i];
        if (bridge.hidden && glob_matches(base, bridge.label)) {
            found.push_back(topology_->vertex(BridgeId{i}));
        }
    }
    sort_once(found);
    return found;
}

TextProblem Selector::unknown(Word pattern, std::string_view what) {
    TextProblem problem{pattern.offset,
                        "unknown-name",
                        "there is no " + std::string{what} + " '" + std::string{pattern.text} + "'",
                        {}};
    if (suggestions_left_-- <= 0 || is_glob(pattern.text)) return problem;
    NearestWord nearest{pattern.text};
    for (const Host& host : topology_->hosts()) {
        nearest.consider(host.name);
        if (host.replicated) nearest.consider(host.group);
    }
    for (const Bridge& bridge : topology_->bridges()) {
        if (!bridge.hidden) nearest.consider(bridge.name);
    }
    for (const auto& [name, members] : *groups_) nearest.consider(name);
    problem.suggest = nearest.found();
    return problem;
}

std::vector<VertexId> Selector::replicas_of(std::string_view group) const {
    return hosts_of(*topology_, group);
}

Parsed<std::vector<VertexId>> Selector::points(Word pattern) {
    std::vector<VertexId> found = find_points(pattern.text);
    if (found.empty()) return tl::unexpected{unknown(pattern, "host or bridge")};
    return found;
}

Parsed<std::vector<HostId>> Selector::hosts(Word pattern) {
    const std::vector<VertexId> found = find_points(pattern.text);
    if (found.empty()) return tl::unexpected{unknown(pattern, "host")};
    std::vector<HostId> result;
    for (const VertexId v : found) {
        if (topology_->is_host(v)) {
            result.push_back(topology_->host_of(v));
        } else if (!is_glob(pattern.text)) {
            return tl::unexpected{
                TextProblem{pattern.offset,
                            "not-a-host",
                            "'" + topology_->name(v) + "' is a bridge, expected a host",
                            {}}};
        }
    }
    if (result.empty()) return tl::unexpected{unknown(pattern, "host")};
    return result;
}

std::string Selector::points_text(const std::vector<VertexId>& points) const {
    std::string text;
    for (std::size_t i = 0; i < points.size(); ++i) {
        text += text.empty() ? "" : ", ";
        if (!topology_->is_host(points[i])) {
            text += topology_->name(points[i]);
            continue;
        }
        const Host& host = topology_->host(HostId{points[i].value});
        const auto all = hosts_of(*topology_, host.group);
        const bool whole = all.size() > 1 && all.front() == points[i] &&
                           i + all.size() <= points.size() &&
                           points[i + all.size() - 1] == all.back();
        text += whole ? host.group : host.name;
        if (whole) i += all.size() - 1;
    }
    return text;
}

}  // namespace pleat
