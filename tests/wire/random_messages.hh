// Random messages of every kind, as the program could make them.
#pragma once

#include "tests/model/random_world.hh"
#include "wire/codec.hh"

namespace pleat::testing {

Scenario random_scenario(Random& random);

// Kinds 0 .. kControlKinds-1, by the variant's index.
constexpr std::size_t kControlKinds = std::variant_size_v<ControlMessage::variant>;
ControlMessage random_control(Random& random, std::size_t kind);

StateMessage random_state(Random& random);
LogRecord random_record(Random& random);

}  // namespace pleat::testing
