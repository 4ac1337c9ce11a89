// The dumbbell of the thesis' reaction-time experiments: clients behind s1, servers behind
// s2, 100 Mbit/s and 5 ms to each, and a narrow link of 10 ms between.
#pragma once

#include <string>

#include "model/scenario.hh"

namespace pleat::testing {

Scenario dumbbell(std::uint32_t pairs, Bandwidth bottleneck,
                  Bandwidth access = Bandwidth::bits_per_second(100'000'000));

// "set A--B …", both directions, at an instant of the run.
void set_link(Scenario& scenario, Duration at, std::string_view a, std::string_view b,
              const LinkPatch& patch);
void cut_link(Scenario& scenario, Duration at, std::string_view a, std::string_view b);

}  // namespace pleat::testing
