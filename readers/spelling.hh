// Spelling: which of the known words was probably meant.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace pleat {

// The fewest insertions, deletions, replacements and swaps of neighbours that make `b`
// of `a`.
std::size_t edit_distance(std::string_view a, std::string_view b);

// Collects the nearest of the words it is shown.
class NearestWord {
  public:
    explicit NearestWord(std::string_view written) : written_{written} {}

    void consider(std::string_view known);

    // Empty when nothing is near enough to be worth saying.
    const std::string& found() const { return found_; }

  private:
    std::string written_;
    std::string found_;
    std::size_t distance_ = 0;
};

std::string nearest_word(std::string_view written, std::span<const std::string_view> known);

}  // namespace pleat
