// Selector: links.
#include <algorithm>
#include <map>
#include <tuple>

#include "readers/replica_set.hh"
#include "readers/selector.hh"

namespace pleat {

namespace {

// Links by their ends as they are to be written, and their name.
using ObjectKey = std::tuple<VertexId, VertexId, std::string>;

struct Directions {
    std::vector<LinkId> forward;
    std::vector<LinkId> backward;
};

using Objects = std::map<ObjectKey, Directions>;

bool has(const std::vector<VertexId>& sorted, VertexId v) {
    return std::ranges::binary_search(sorted, v);
}

std::size_t find_arrow(std::string_view pattern) {
    return std::min(pattern.find("--"), pattern.find("->"));
}

}  // namespace

// The 0 ms link between a replica and the hidden bridge that `shared` made: not the user's.
bool Selector::is_access(LinkId id) const {
    const Link& link = topology_->link(id);
    const bool from_host = topology_->is_host(link.from);
    if (from_host == topology_->is_host(link.to)) return false;
    const VertexId host = from_host ? link.from : link.to;
    const VertexId other = from_host ? link.to : link.from;
    const Bridge& bridge = topology_->bridges()[topology_->bridge_of(other).value];
    return bridge.hidden && bridge.label == topology_->host(HostId{host.value}).group;
}

std::string Selector::end_text(VertexId v) const {
    if (topology_->is_host(v)) return topology_->name(v);
    const Bridge& bridge = topology_->bridges()[topology_->bridge_of(v).value];
    return bridge.hidden ? bridge.label : bridge.name;
}

// All links between the two sets, ascending; of a one-way pattern only those forward.
std::vector<LinkId> Selector::between(const Ends& ends) const {
    std::vector<LinkId> found;
    const auto consider = [&](LinkId id) {
        const Link& link = topology_->link(id);
        const bool forward = has(ends.from, link.from) && has(ends.to, link.to);
        const bool backward = has(ends.to, link.from) && has(ends.from, link.to);
        if ((forward || (backward && !ends.one_way)) && !is_access(id)) found.push_back(id);
    };
    const auto& fewer = ends.from.size() <= ends.to.size() ? ends.from : ends.to;
    for (const VertexId v : fewer) {
        for (const LinkId id : topology_->out_links(v)) consider(id);
        for (const LinkId id : topology_->in_links(v)) consider(id);
    }
    std::ranges::sort(found);
    const auto rest = std::ranges::unique(found);
    found.erase(rest.begin(), rest.end());
    return found;
}

// Would `text`, without a name, select links of several names?
bool Selector::ambiguous(const std::string& text) const {
    const std::size_t arrow = find_arrow(text);
    const Ends ends{find_ends(text.substr(0, arrow)), find_ends(text.substr(arrow + 2)), false};
    const std::vector<LinkId> all = between(ends);
    return std::ranges::any_of(all, [&](LinkId id) {
        return topology_->link(id).name != topology_->link(all.front()).name;
    });
}

Parsed<std::vector<LinkObject>> Selector::links(Word pattern) {
    const std::size_t arrow = find_arrow(pattern.text);
    if (arrow != std::string_view::npos) return links_between(pattern, arrow);
    const auto [base, inner] = split_brackets(pattern.text);
    if (base == "link" && inner) return links_with(pattern, *inner);
    return tl::unexpected{
        TextProblem{pattern.offset,
                    "bad-link",
                    "'" + std::string{pattern.text} +
                        "' is no link; expected A--B, A->B, link[tag=…] or link[name=…]",
                    {}}};
}

Parsed<std::vector<LinkObject>> Selector::links_between(Word pattern, std::size_t arrow) {
    const bool one_way = pattern.text[arrow + 1] == '>';
    const std::string_view left = pattern.text.substr(0, arrow);
    std::string_view right = pattern.text.substr(arrow + 2);
    const auto hash = right.find('#');
    const bool by_name = hash != std::string_view::npos;
    const std::string_view name = by_name ? right.substr(hash + 1) : std::string_view{};
    right = right.substr(0, hash);

    const Ends ends{find_ends(left), find_ends(right), one_way};
    if (ends.from.empty()) {
        return tl::unexpected{unknown(Word{left, pattern.offset}, "host or bridge")};
    }
    if (ends.to.empty()) {
        return tl::unexpected{unknown(Word{right, pattern.offset + arrow + 2}, "host or bridge")};
    }
    Objects objects;
    for (const LinkId id : between(ends)) {
        const Link& link = topology_->link(id);
        if (by_name && !glob_matches(name, link.name)) continue;
        const bool forward = has(ends.from, link.from) && has(ends.to, link.to);
        const bool backward = has(ends.to, link.from) && has(ends.from, link.to);
        const bool as_written = one_way || (forward && backward ? link.from < link.to : forward);
        const VertexId first = as_written ? link.from : link.to;
        const VertexId second = as_written ? link.to : link.from;
        Directions& directions = objects[ObjectKey{first, second, link.name}];
        (as_written ? directions.forward : directions.backward).push_back(id);
    }
    if (objects.empty()) {
        std::string message = "there is no link '" + std::string{pattern.text} + "'";
        if (any_hidden_ && (left.find('[') != std::string_view::npos ||
                            right.find('[') != std::string_view::npos)) {
            message += "; replicas that share a link have none of their own";
        }
        return tl::unexpected{TextProblem{pattern.offset, "unknown-link", std::move(message), {}}};
    }
    std::vector<LinkObject> result;
    for (auto& [key, directions] : objects) {
        const auto& [first, second, link_name] = key;
        LinkObject object;
        object.one_way = one_way;
        object.text = end_text(first) + (one_way ? "->" : "--") + end_text(second);
        if (!link_name.empty() || ambiguous(object.text)) object.text += "#" + link_name;
        object.forward = std::move(directions.forward);
        object.backward = std::move(directions.backward);
        result.push_back(std::move(object));
    }
    return result;
}

Parsed<std::vector<LinkObject>> Selector::links_with(Word pattern, std::string_view condition) {
    const bool by_tag = condition.starts_with("tag=");
    const bool by_name = condition.starts_with("name=");
    const bool all = condition == "*";
    const std::string_view wanted = by_tag    ? condition.substr(4)
                                    : by_name ? condition.substr(5)
                                              : std::string_view{};
    if (!all && wanted.empty()) {
        return tl::unexpected{TextProblem{
            pattern.offset,
            "bad-link",
            "'" + std::string{pattern.text} + "': expected link[tag=…], link[name=…] or link[*]",
            {}}};
    }
    const auto selected = [&](const Link& link) {
        if (by_name) return glob_matches(wanted, link.name);
        return all || std::ranges::any_of(link.tags, [&](const std::string& tag) {
                   return glob_matches(wanted, tag);
               });
    };
    Objects whole;
    Objects chosen;
    const auto add = [](Objects& objects, const Link& link, LinkId id) {
        const bool forward = link.from < link.to;
        Directions& directions = objects[ObjectKey{std::min(link.from, link.to),
                                                   std::max(link.from, link.to), link.name}];
        (forward ? directions.forward : directions.backward).push_back(id);
    };
    for (std::uint32_t i = 0; i < topology_->links().size(); ++i) {
        const Link& link = topology_->link(LinkId{i});
        if (is_access(LinkId{i})) continue;
        add(whole, link, LinkId{i});
        if (selected(link)) add(chosen, link, LinkId{i});
    }
    if (chosen.empty()) {
        return tl::unexpected{TextProblem{pattern.offset,
                                          "unknown-link",
                                          "no link has the " +
                                              std::string{by_name ? "name" : "tag"} + " '" +
                                              std::string{wanted} + "'",
                                          {}}};
    }
    std::vector<LinkObject> result;
    for (auto& [key, directions] : chosen) {
        const Directions& complete = whole[key];
        const auto& [first, second, link_name] = key;
        const bool forward = directions.forward == complete.forward;
        const bool backward = directions.backward == complete.backward;
        const std::string plain = end_text(first) + "--" + end_text(second);
        LinkObject object;
        if (forward && backward) {
            object.text = plain;
            object.forward = std::move(directions.forward);
            object.backward = std::move(directions.backward);
        } else if (forward && directions.backward.empty()) {
            object.text = end_text(first) + "->" + end_text(second);
            object.one_way = true;
            object.forward = std::move(directions.forward);
        } else if (backward && directions.forward.empty()) {
            object.text = end_text(second) + "->" + end_text(first);
            object.one_way = true;
            object.forward = std::move(directions.backward);
        } else {
            return tl::unexpected{TextProblem{pattern.offset,
                                              "ambiguous-link",
                                              "'" + std::string{pattern.text} +
                                                  "' is some of several links " + plain +
                                                  "; give them name= to tell them apart",
                                              {}}};
        }
        if (!link_name.empty() || ambiguous(plain)) object.text += "#" + link_name;
        result.push_back(std::move(object));
    }
    return result;
}

}  // namespace pleat
