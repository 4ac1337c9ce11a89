// "did you mean": the nearest of some names to a mistyped one.
#pragma once

#include <span>
#include <string_view>

namespace pleat {

// The candidate with the fewest insertions, deletions, replacements and swaps of
// neighbours from `name`; the first of equals. Empty when none is near enough: at most
// a third of the letters, and at least one, may differ.
std::string_view nearest(std::string_view name, std::span<const std::string_view> candidates);

}  // namespace pleat
