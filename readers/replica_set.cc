#include "readers/replica_set.hh"

#include <algorithm>

#include "readers/text_problem.hh"
#include "readers/unit_text.hh"

namespace pleat {

std::optional<ReplicaSet> ReplicaSet::parse(std::string_view inner) {
    ReplicaSet set;
    if (inner == "*") {
        set.all_ = true;
        return set;
    }
    const auto number = [](std::string_view text) -> std::optional<std::uint32_t> {
        const auto value = parse_whole(text, "a replica", 0, 1'000'000);
        if (!value) return std::nullopt;
        return static_cast<std::uint32_t>(*value);
    };
    for (const Word part : split_at(inner, ',')) {
        const auto dots = part.text.find("..");
        const auto first = number(part.text.substr(0, dots));
        const auto last =
            dots == std::string_view::npos ? first : number(part.text.substr(dots + 2));
        if (!first || !last || *first > *last) return std::nullopt;
        set.ranges_.emplace_back(*first, *last);
    }
    return set;
}

bool ReplicaSet::contains(std::uint32_t replica) const {
    return all_ || std::ranges::any_of(ranges_, [replica](const auto& range) {
               return range.first <= replica && replica <= range.second;
           });
}

Bracketed split_brackets(std::string_view pattern) {
    const auto open = pattern.find('[');
    if (open == std::string_view::npos || !pattern.ends_with(']')) return {pattern, std::nullopt};
    return {pattern.substr(0, open), pattern.substr(open + 1, pattern.size() - open - 2)};
}

}  // namespace pleat
