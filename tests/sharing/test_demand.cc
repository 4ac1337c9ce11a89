// The codes of demand states, and the digest of many.
#include <catch2/catch.hpp>

#include "model/demand.hh"
#include "model/flow_states.hh"

using namespace pleat;
using namespace pleat::literals;

TEST_CASE("a limit is rounded up to the next code, by at most 8 %") {
    for (std::int64_t rate = 1'000; rate < 200'000'000'000; rate += rate / 7 + 1) {
        const DemandState state = DemandState::limited(Bandwidth::bits_per_second(rate));
        REQUIRE(state.is_limited());
        CHECK(state.rate() >= static_cast<double>(rate));
        CHECK(state.rate() <= static_cast<double>(rate) * 1.0801);
    }
    CHECK(DemandState::limited(1_bps).code() == 2);
    CHECK(DemandState::limited(1_kbps).code() == 2);
    CHECK(DemandState::limited(1001_bps).code() == 3);
}

TEST_CASE("a limit beyond the last code is no limit") {
    CHECK(DemandState::limited(280_Gbps).code() == 255);
    CHECK(DemandState::limited(300_Gbps).is_greedy());
    CHECK(DemandState::limited(Bandwidth::unlimited()).is_greedy());
}

TEST_CASE("every code comes back from the wire as it went, and no other comes") {
    for (std::uint32_t code = 0; code < 256; ++code) {
        const std::optional<DemandState> state = DemandState::from_code(code);
        REQUIRE(state);
        CHECK(state->code() == code);
        if (!state->is_limited()) continue;
        const auto rate = static_cast<std::int64_t>(state->rate());
        CHECK(DemandState::limited(Bandwidth::bits_per_second(rate)).code() == code);
    }
    CHECK_FALSE(DemandState::from_code(256));
    CHECK_FALSE(DemandState::from_code(0xffffffff));
    CHECK(DemandState::gone().rate() == 0.0);
    CHECK(DemandState::greedy().rate() > 1e300);
}

TEST_CASE("equal states have equal digests, however they came about") {
    const FlowKey a{HostId{1}, HostId{2}};
    const FlowKey b{HostId{2}, HostId{1}};
    FlowStates one;
    FlowStates other;
    CHECK(one.digest() == other.digest());
    one.set(a, DemandState::greedy());
    one.set(b, DemandState::limited(1_Mbps));
    other.set(b, DemandState::greedy());
    CHECK(one.digest() != other.digest());
    other.set(a, DemandState::greedy());
    CHECK(one.digest() != other.digest());
    other.set(b, DemandState::limited(1_Mbps));
    CHECK(one.digest() == other.digest());
    other.set(b, DemandState::gone());
    CHECK(one.digest() != other.digest());
    CHECK(other.state(b).is_gone());
}
