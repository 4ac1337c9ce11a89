// When a machine that lacks a change by hand is cut from the network.
#include <catch2/catch.hpp>

#include "model/change_fence.hh"

using namespace pleat;
using namespace std::chrono_literals;

namespace {

constexpr ExperimentTime at(Duration time) {
    return ExperimentTime{time};
}

}  // namespace

TEST_CASE("a change that is in force elsewhere closes the fence after a while, until it is here") {
    ChangeFence fence;
    CHECK_FALSE(fence.closed(at(100s)));
    fence.due(1, at(1s));
    CHECK(fence.lacks());
    CHECK_FALSE(fence.closed(at(1s + ChangeFence::kGrace - 1ns)));
    CHECK(fence.closed(at(1s + ChangeFence::kGrace)));
    fence.in_force(1);
    CHECK_FALSE(fence.lacks());
    CHECK_FALSE(fence.closed(at(100s)));
}

TEST_CASE("the time counts from the first change that is lacking") {
    ChangeFence fence;
    fence.due(1, at(1s));
    fence.due(2, at(1400ms));
    CHECK(fence.closed(at(1500ms)));
    fence.in_force(1);
    CHECK(fence.closed(at(1500ms)));
    fence.in_force(2);
    CHECK_FALSE(fence.closed(at(1500ms)));
}

TEST_CASE("what is in force already is not lacking, however late others tell of it") {
    ChangeFence fence;
    fence.in_force(3);
    fence.due(2, at(1s));
    fence.due(3, at(2s));
    CHECK_FALSE(fence.lacks());
    CHECK(fence.in_force() == 3);
}
