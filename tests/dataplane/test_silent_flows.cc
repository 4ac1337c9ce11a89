// Flows that have long been silent are forgotten, and nobody can tell.
#include <catch2/catch.hpp>

#include "tests/dataplane/engine_world.hh"

using namespace pleat;
using namespace pleat::literals;
using namespace pleat::testing;

namespace {

FlowShape risky() {
    FlowShape shape = path(20_Mbps, 20ms);
    shape.path.jitter = 2ms;
    shape.path.loss = Probability::of(0.1);
    shape.path.duplicate = Probability::of(0.1);
    shape.path.corrupt = Probability::of(0.1);
    shape.path.reorder = Probability::of(0.1);
    shape.path.burst_loss = GilbertElliott{.p = Probability::of(0.1),
                                           .r = Probability::of(0.1),
                                           .h = Probability::of(0.0),
                                           .k = Probability::of(1.0)};
    return shape;
}

// Packets of three protocols, some of them GSO packets.
void send_mixed(EngineWorld& world, FlowKey key, Duration from) {
    for (int i = 0; i < 400; ++i) {
        const auto protocol = static_cast<std::uint8_t>(i % 3 == 0 ? 1 : (i % 3 == 1 ? 6 : 17));
        world.send(key, 1000, from + i * 1ms, static_cast<std::uint16_t>(i % 5 + 1), protocol);
    }
}

// Others start flows: so silent ones are looked for. All that is there is looked at.
void let_others_start(EngineWorld& world, Duration from) {
    const std::size_t flows = world.engine.flows();
    for (std::size_t i = 0; i < flows + 1; ++i) {
        const Duration when = from + static_cast<int>(i) * 200ms;
        world.send(flow(2, 3), 100, when);
        world.run_until(when + 100ms);
    }
}

// What of a flow's packets came out, and when.
auto outcomes(const EngineWorld& world, FlowKey key) {
    std::vector<std::tuple<Duration, std::uint16_t, std::uint16_t, bool, bool>> all;
    for (const auto& one : world.delivered) {
        if (one.flow != key) continue;
        all.emplace_back(one.time(), one.first, one.segments, one.fate.corrupt, one.fate.reorder);
    }
    return all;
}

}  // namespace

TEST_CASE("a flow that was forgotten meets what it would have met") {
    const std::map<FlowKey, FlowShape> shapes{{flow(0, 1), risky()}, {flow(2, 3), path(10_Mbps)}};
    EngineWorld kept;  // where no other flow starts none is forgotten
    EngineWorld forgetful;
    for (EngineWorld* world : {&kept, &forgetful}) {
        world->paths(shapes);
        world->engine.set_cap(flow(0, 1), 16_Mbps, at(0s));
        send_mixed(*world, flow(0, 1), 0s);
        world->run_until(10s);
        REQUIRE(world->references() == 0);
    }
    let_others_start(forgetful, 32s);
    CHECK(forgetful.engine.flows() == 1);
    CHECK(kept.engine.flows() == 1);
    for (EngineWorld* world : {&kept, &forgetful}) {
        send_mixed(*world, flow(0, 1), 60s);
        world->run_until(70s);
        CHECK(world->references() == 0);
    }
    CHECK(outcomes(forgetful, flow(0, 1)).size() > 500);
    CHECK(outcomes(forgetful, flow(0, 1)) == outcomes(kept, flow(0, 1)));
    // One counted on, the other began anew.
    CHECK(forgetful.counters(flow(0, 1)).packets == 1200);
    CHECK(kept.counters(flow(0, 1)).packets == 2400);
}

TEST_CASE("caps that are set while a flow is forgotten hold when it comes back") {
    EngineWorld world;
    world.paths({{flow(0, 1), path(10_Mbps)}, {flow(2, 3), path(10_Mbps)}});
    const auto takes = [&world](Duration from) {
        const std::size_t before = world.delivered.size();
        world.send(flow(0, 1), 1250, from);
        world.run_until(from + 100ms);
        return world.delivered.at(before).time() - from;
    };
    world.engine.set_cap(flow(0, 1), 5_Mbps, at(0s));
    CHECK(takes(0s) == 2ms);
    let_others_start(world, 40s);
    REQUIRE(world.engine.flows() == 1);
    CHECK(takes(60s) == 2ms);
    let_others_start(world, 100s);
    REQUIRE(world.engine.flows() == 1);
    world.engine.set_cap(flow(0, 1), 1_Mbps, at(110s));
    CHECK(takes(120s) == 10ms);
    let_others_start(world, 160s);
    REQUIRE(world.engine.flows() == 1);
    world.engine.set_cap(flow(0, 1), Bandwidth::unlimited(), at(170s));
    CHECK(takes(180s) == 1ms);
}

TEST_CASE("a flow is not forgotten while anything of it is under way") {
    EngineWorld world;
    FlowShape slow = path(Bandwidth::unlimited(), 100s);
    FlowShape narrow = path(1_kbps, 0s);  // ten seconds for each packet
    FlowShape late = path(Bandwidth::unlimited(), 0s, 2);
    late.downlink =
        AccessShape{.link = LinkId{3}, .bandwidth = 1_kbps, .queue = DataSize::bytes(1'000'000)};
    world.paths({{flow(0, 1), slow},
                 {flow(1, 0), narrow},
                 {flow(3, 0), late},
                 {flow(2, 3), path(10_Mbps)}});
    world.send(flow(0, 1), 1250, 0s);
    for (int i = 0; i < 10; ++i) world.send(flow(1, 0), 1250, 0s);
    for (int i = 0; i < 10; ++i) world.send(flow(3, 0), 1250, 0s);
    let_others_start(world, 50s);
    CHECK(world.engine.flows() == 4);
    world.run_until(120s);
    // One crossed in 100 s, the others in turn, 10 s each.
    CHECK(world.delivered.size() == 1 + 10 + 10 + 4);
    CHECK(world.references() == 0);
    let_others_start(world, 140s);
    CHECK(world.engine.flows() == 1);
}

TEST_CASE("places of forgotten flows are used again, each with its own path") {
    constexpr std::uint32_t kHosts = 60;
    EngineWorld world{kHosts};
    std::map<FlowKey, FlowShape> shapes;
    for (std::uint32_t a = 0; a < kHosts; ++a) {
        for (std::uint32_t b = 0; b < kHosts; ++b) {
            if (a != b) shapes[flow(a, b)] = path(10_Mbps, a * 1ms + b * 100us, a);
        }
    }
    world.paths(shapes);
    // Each host in turn sends to all others, one a minute.
    std::size_t most = 0;
    Duration now{};
    for (std::uint32_t a = 0; a < kHosts; ++a, now += 60s) {
        for (std::uint32_t b = 0; b < kHosts; ++b) {
            if (a == b) continue;
            const std::size_t before = world.delivered.size();
            world.send(flow(a, b), 1250, now + b * 400ms);
            world.run_until(now + b * 400ms + 200ms);
            REQUIRE(world.delivered.size() == before + 1);
            CHECK(world.delivered.back().destination == HostId{b});
            CHECK(world.delivered.back().time() == now + b * 400ms + 1ms + a * 1ms + b * 100us);
        }
        most = std::max(most, world.engine.flows());
    }
    CHECK(most / 2 < kHosts);  // of 3,540
}
