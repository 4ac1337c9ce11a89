// The table of verbs: the one place that knows their names. The help, the completion
// and the answer to a mistyped verb all come from it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace pleat {

struct Verb {
    enum class State : std::uint8_t { built, not_yet };

    std::string_view name;
    std::string_view group;    // "author", "run", … as in the manual
    std::string_view summary;  // one line of the help; empty for what is not built
    State state = State::not_yet;
};

// In the order of the help.
std::span<const Verb> verbs();

// The verb of this name, or nullptr.
const Verb* find_verb(std::string_view name);

// The built verb that was probably meant; empty when none is near.
std::string nearest_verb(std::string_view name);

}  // namespace pleat
