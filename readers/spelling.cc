#include "readers/spelling.hh"

#include <algorithm>
#include <vector>

namespace pleat {

namespace {

constexpr std::size_t kLongest = 64;

// One slip in a short word, two in a longer one.
std::size_t tolerance(std::size_t length) {
    if (length <= 2) return 1;
    return length <= 5 ? 2 : 3;
}

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before(b.size() + 1);
    std::vector<std::size_t> last(b.size() + 1);
    std::vector<std::size_t> current(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        current[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            current[j] = std::min({last[j] + 1, current[j - 1] + 1, replaced});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                current[j] = std::min(current[j], before[j - 2] + 1);
            }
        }
        std::swap(before, last);
        std::swap(last, current);
    }
    return last[b.size()];
}

void NearestWord::consider(std::string_view known) {
    if (known.empty() || known == written_ || written_.size() > kLongest) return;
    const std::size_t most = tolerance(std::min(written_.size(), known.size()));
    const std::size_t longer = std::max(written_.size(), known.size());
    if (longer - std::min(written_.size(), known.size()) > most) return;
    const std::size_t distance = edit_distance(written_, known);
    // A word of which nothing is left is no suggestion.
    if (distance > most || distance >= known.size()) return;
    const bool better = found_.empty() || distance < distance_ ||
                        (distance == distance_ && known < std::string_view{found_});
    if (!better) return;
    found_ = known;
    distance_ = distance;
}

std::string nearest_word(std::string_view written, std::span<const std::string_view> known) {
    NearestWord nearest{written};
    for (const std::string_view word : known) nearest.consider(word);
    return nearest.found();
}

}  // namespace pleat
