// What the cases of the conformance suite (test_planes_*.cc) have in common.
#pragma once

#include <catch2/catch.hpp>

#include "tests/dataplane/planes.hh"
#include "tests/dataplane/statistics.hh"

namespace pleat::testing {

using namespace pleat::literals;
using namespace std::chrono_literals;

inline std::string ms(int milliseconds) {
    return std::to_string(milliseconds) + "ms";
}

inline std::string mbps(int megabits) {
    return std::to_string(megabits) + "Mbps";
}

// While packets of the flow wait its rate is the expected one. A sender that a busy machine
// holds up leaves the queue empty now and then; such times say nothing but that the
// rate was not exceeded.
void check_rate(const Plane& plane, PlaneWorld& world, FlowKey flow, double expected);

// Puts a table in force and waits until it is.
void change_to(PlaneWorld& world, const std::vector<std::string>& lines,
               const std::function<void(LinkProperties&)>& edit = {});

}  // namespace pleat::testing
