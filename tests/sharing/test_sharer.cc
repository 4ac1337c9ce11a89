// The sharer's outputs for single inputs. Numbers in parentheses are those of its file.
#include <map>

#include <catch2/catch.hpp>

#include "model/epochs.hh"
#include "node/sharing/sharer.hh"
#include "tests/sharing/dumbbell.hh"

using namespace pleat;
using namespace pleat::literals;
using namespace pleat::testing;
using namespace std::chrono_literals;

namespace {

// A sharer of a scenario, what it has asked for, and counters that the test sets.
struct World {
    explicit World(Scenario of)
        : scenario{std::move(of)}, folder{scenario}, sharer{folder, table(0), outputs()} {}

    std::shared_ptr<const PathTable> table(std::size_t epoch) const {
        return std::make_shared<const PathTable>(tables(compute_epochs(scenario)).at(epoch));
    }

    SharerOutputs outputs() {
        SharerOutputs result;
        result.set_caps = [this](const std::vector<FlowCap>& changed) {
            ++cap_calls;
            for (const FlowCap& cap : changed) caps.insert_or_assign(cap.flow, cap.cap);
        };
        result.publish = [this](std::vector<FlowState> flows) {
            messages.push_back(std::move(flows));
        };
        result.share = [this](FlowKey flow, Bandwidth share, Instant) {
            shares.insert_or_assign(flow, share);
        };
        return result;
    }

    FlowKey flow(std::string_view source, std::string_view destination) const {
        return {scenario.topology.find_host(source).value(),
                scenario.topology.find_host(destination).value()};
    }

    FlowCounters& counters(FlowKey key) {
        auto& entry = all_counters[key];
        if (!entry) entry = std::make_shared<FlowCounters>();
        return *entry;
    }

    // A packet arrives in the plane.
    void packet(FlowKey key) {
        FlowCounters& of = counters(key);
        const Instant last{Duration{of.last_arrival_ns.load()}};
        of.last_arrival_ns = now.time_since_epoch().count();
        if (of.packets == 0 || now - last >= 100ms) {
            sharer.flow_started({key, now, all_counters[key]}, now);
        }
        ++of.packets;
        of.bytes += 98;
    }

    void start(FlowKey key) { packet(key); }

    // All these flows are backlogged for `time`; they send what they may.
    void saturate(const std::vector<FlowKey>& keys, Duration time) {
        for (const Instant end = now + time; now < end;) {
            for (const FlowKey key : keys) {
                FlowCounters& of = counters(key);
                of.last_arrival_ns = now.time_since_epoch().count();
                if (of.waiting_since_ns == 0) of.waiting_since_ns = of.last_arrival_ns.load();
                of.queued_bytes = 100'000;
                of.bytes += static_cast<std::uint64_t>((shares.at(key) * 10ms).bytes());
                of.packets += 10;
            }
            tick();
        }
    }

    void tick() {
        now += 10ms;
        if (!sharer.idle()) sharer.tick(now);
    }

    void rest(Duration time) {
        for (auto& [key, of] : all_counters) {
            of->queued_bytes = 0;
            of->waiting_since_ns = 0;
        }
        for (const Instant end = now + time; now < end;) tick();
    }

    Scenario scenario;
    PathFolder folder;
    std::map<FlowKey, Bandwidth> caps;
    std::map<FlowKey, Bandwidth> shares;
    std::vector<std::vector<FlowState>> messages;
    int cap_calls = 0;
    std::map<FlowKey, std::shared_ptr<FlowCounters>> all_counters;
    Instant now{1000s};
    Sharer sharer;
};

double mbps(Bandwidth rate) {
    return static_cast<double>(rate.bits_per_second()) / 1e6;
}

}  // namespace

TEST_CASE("a flow alone follows its path: no cap is set") {
    World world{dumbbell(2, 60_Mbps)};
    const FlowKey flow = world.flow("client[0]", "server[0]");
    world.start(flow);
    world.saturate({flow}, 1s);
    CHECK(world.cap_calls == 0);
    CHECK(world.shares.at(flow) == 60_Mbps);
}

TEST_CASE("a newcomer has its entitlement at once, the others make room when it is known") {
    World world{dumbbell(2, 60_Mbps)};
    const FlowKey first = world.flow("client[0]", "server[0]");
    const FlowKey second = world.flow("client[1]", "server[1]");
    world.start(first);
    world.saturate({first}, 1s);
    world.start(second);
    CHECK(mbps(world.caps.at(second)) == 30.0);
    CHECK(world.shares.at(first) == 60_Mbps);
    world.saturate({first, second}, 100ms);
    CHECK(mbps(world.caps.at(first)) == 30.0);
    CHECK(mbps(world.caps.at(second)) == 30.0);
}

TEST_CASE("flows of a run that is taken over keep their shares until more is known (8)") {
    World world{dumbbell(3, 60_Mbps)};
    const FlowKey first = world.flow("client[0]", "server[0]");
    const FlowKey second = world.flow("client[1]", "server[1]");
    const FlowKey ended = world.flow("client[2]", "server[2]");
    const DemandState greedy = DemandState::greedy();
    const std::vector<FlowState> published{{first, greedy}, {second, greedy}, {ended, greedy}};
    world.sharer.resume(published, world.now);
    CHECK_FALSE(world.sharer.idle());
    for (const FlowKey key : {first, second}) {
        FlowCounters& of = world.counters(key);
        of.bytes = 1'000'000'000;
        of.packets = 1'000'000;
        of.last_arrival_ns = world.now.time_since_epoch().count();
        // Of the second one the last cap is not that of now.
        const Bandwidth cap = key == first ? 20_Mbps : 50_Mbps;
        world.sharer.flow_started({key, world.now, world.all_counters[key], cap}, world.now);
    }
    CHECK_FALSE(world.caps.contains(first));
    CHECK(world.caps.at(second) == 20_Mbps);
    CHECK(world.shares.at(first) == 20_Mbps);
    world.saturate({first, second}, 100ms);
    CHECK(world.messages.empty());
    const std::vector<FlowSample> samples = world.sharer.sample(world.now);
    REQUIRE(samples.size() == 2);
    CHECK(static_cast<double>(samples[0].measured_bps) == Approx(20e6).epsilon(0.01));
    CHECK(samples[0].bytes > 1'000'000'000);
    // The third one has ended while nobody looked.
    world.saturate({first, second}, 150ms);
    REQUIRE(world.messages.size() == 1);
    CHECK(world.messages[0] == std::vector<FlowState>{{ended, DemandState::gone()}});
    CHECK(world.caps.at(first) == 30_Mbps);
    CHECK(world.caps.at(second) == 30_Mbps);
    world.rest(2s);
    CHECK(world.sharer.idle());
    CHECK(world.caps.at(first).is_unlimited());
}

TEST_CASE(
    "a sample counts from when a flow's counters were read, not from when it was told of (8)") {
    World world{dumbbell(1, 20_Mbps)};
    const FlowKey flow = world.flow("client[0]", "server[0]");
    world.sharer.resume({}, world.now);
    FlowCounters& of = world.counters(flow);
    of.bytes = 1'000'000;
    const Instant read = world.now;
    world.sharer.sample(world.now + 40ms);
    world.now += 90ms;
    of.last_arrival_ns = world.now.time_since_epoch().count();
    world.sharer.flow_started({flow, read, world.all_counters[flow], 20_Mbps}, world.now);
    world.now += 10ms;
    of.bytes += (20_Mbps * 100ms).bytes();
    const std::vector<FlowSample> samples = world.sharer.sample(world.now);
    REQUIRE(samples.size() == 1);
    CHECK(static_cast<double>(samples[0].measured_bps) == Approx(20e6).epsilon(0.001));
}

TEST_CASE("a cap that was left is lifted when nothing asks for it any more (8)") {
    World world{dumbbell(2, 60_Mbps)};
    const FlowKey flow = world.flow("client[0]", "server[0]");
    world.sharer.resume({}, world.now);
    world.counters(flow).last_arrival_ns = world.now.time_since_epoch().count();
    world.sharer.flow_started({flow, world.now, world.all_counters[flow], 30_Mbps}, world.now);
    CHECK(world.caps.at(flow).is_unlimited());
}

TEST_CASE("flows of one host share its uplink") {
    // RTT 20 ms and 100 ms over one uplink of 100 Mbit/s.
    TopologyBuilder builder;
    for (const std::string name : {"a", "b", "c"}) {
        Host host;
        host.name = host.group = name;
        builder.add(host);
    }
    Bridge bridge;
    bridge.name = bridge.label = "s";
    builder.add(bridge);
    const auto link = [&builder](const std::string& from, const std::string& to, Duration latency) {
        LinkProperties properties;
        properties.latency = latency;
        properties.bandwidth = from == "a" || to == "a" ? 100_Mbps : 1_Gbps;
        builder.add_link(from, to, properties);
        builder.add_link(to, from, properties);
    };
    link("a", "s", 5ms);
    link("b", "s", 5ms);
    link("c", "s", 45ms);
    Scenario scenario;
    scenario.topology = std::move(builder).build().value();
    scenario.applications.resize(3);
    World world{std::move(scenario)};
    const FlowKey near = world.flow("a", "b");
    const FlowKey far = world.flow("a", "c");
    world.start(near);
    world.start(far);
    world.saturate({near, far}, 200ms);
    CHECK(mbps(world.caps.at(near)) == Approx(500.0 / 6).epsilon(1e-7));
    CHECK(mbps(world.caps.at(far)) == Approx(100.0 / 6).epsilon(1e-7));
}

TEST_CASE("an activated table changes shares at once and without a word (2, 3)") {
    Scenario scenario = dumbbell(2, 60_Mbps);
    LinkPatch wider;
    wider.bandwidth = 90_Mbps;
    set_link(scenario, 10s, "s1", "s2", wider);
    World world{std::move(scenario)};
    const FlowKey first = world.flow("client[0]", "server[0]");
    const FlowKey second = world.flow("client[1]", "server[1]");
    world.start(first);
    world.start(second);
    world.saturate({first, second}, 200ms);
    const std::size_t messages = world.messages.size();
    world.sharer.table_activated(world.table(1), world.now);
    CHECK(mbps(world.caps.at(first)) == 45.0);
    CHECK(mbps(world.caps.at(second)) == 45.0);
    world.saturate({first, second}, 2s);
    CHECK(world.messages.size() == messages);
}

TEST_CASE("caps are sent only when they change (4)") {
    World world{dumbbell(2, 60_Mbps)};
    const FlowKey first = world.flow("client[0]", "server[0]");
    const FlowKey second = world.flow("client[1]", "server[1]");
    world.start(first);
    world.start(second);
    world.saturate({first, second}, 200ms);
    const int calls = world.cap_calls;
    world.saturate({first, second}, 5s);
    CHECK(world.cap_calls == calls);
}

TEST_CASE("a flow that loses its path gives its share to the others at once") {
    Scenario scenario = dumbbell(2, 60_Mbps);
    cut_link(scenario, 10s, "client[1]", "s1");
    World world{std::move(scenario)};
    const FlowKey first = world.flow("client[0]", "server[0]");
    const FlowKey second = world.flow("client[1]", "server[1]");
    world.start(first);
    world.start(second);
    world.saturate({first, second}, 200ms);
    world.sharer.table_activated(world.table(1), world.now);
    CHECK(world.caps.at(first).is_unlimited());
    CHECK(world.shares.at(first) == 60_Mbps);
}

TEST_CASE("a crash ends the flows from and to the host at once") {
    World world{dumbbell(3, 60_Mbps)};
    const FlowKey stays = world.flow("client[0]", "server[0]");
    const FlowKey from = world.flow("client[1]", "server[1]");
    const FlowKey to = world.flow("client[2]", "client[1]");
    const FlowKey into = world.flow("server[2]", "client[1]");
    for (const FlowKey flow : {stays, from, to, into}) world.start(flow);
    world.saturate({stays, from, to, into}, 300ms);
    REQUIRE(mbps(world.caps.at(stays)) == 30.0);
    const std::size_t messages = world.messages.size();
    world.sharer.host_crashed(from.source, world.now);
    REQUIRE(world.messages.size() == messages + 1);
    CHECK(world.messages.back().size() == 3);
    for (const FlowState& state : world.messages.back()) CHECK(state.state.is_gone());
    CHECK(world.caps.at(stays).is_unlimited());
    CHECK(world.sharer.published().size() == 1);
}

TEST_CASE("the sharer is idle when its flows have been silent for a while (5, 6)") {
    World world{dumbbell(2, 60_Mbps)};
    CHECK(world.sharer.idle());
    const FlowKey flow = world.flow("client[0]", "server[0]");
    world.start(flow);
    CHECK_FALSE(world.sharer.idle());
    world.saturate({flow}, 500ms);
    world.rest(1s);
    CHECK(world.sharer.idle());
    CHECK(world.sharer.published().empty());
    CHECK(world.messages.back().back().state.is_gone());
}

TEST_CASE("a packet that the plane did not report soon after idleness is noticed (6)") {
    World world{dumbbell(2, 60_Mbps)};
    const FlowKey flow = world.flow("client[0]", "server[0]");
    world.start(flow);
    world.rest(150ms);
    REQUIRE_FALSE(world.sharer.idle());
    world.saturate({flow}, 200ms);
    REQUIRE(world.sharer.published().size() == 1);
    CHECK(world.sharer.published().front().state.is_greedy());
}

TEST_CASE("flows of other machines count, until their publisher is dropped") {
    World world{dumbbell(3, 60_Mbps)};
    const FlowKey own = world.flow("client[0]", "server[0]");
    const FlowKey other = world.flow("client[1]", "server[1]");
    const FlowKey limited = world.flow("client[2]", "server[2]");
    world.start(own);
    world.saturate({own}, 200ms);
    const std::size_t messages = world.messages.size();
    const std::vector<FlowState> states{{other, DemandState::greedy()},
                                        {limited, DemandState::limited(10_Mbps)}};
    CHECK(world.sharer.apply_remote("m2", states, world.now) == 0);
    world.tick();
    const double rest = 60.0 - DemandState::limited(10_Mbps).rate() / 1e6;
    CHECK(mbps(world.caps.at(own)) == Approx(rest / 2).epsilon(1e-7));
    world.sharer.apply_remote("m2", std::vector<FlowState>{{limited, DemandState::gone()}},
                              world.now);
    world.tick();
    CHECK(mbps(world.caps.at(own)) == 30.0);
    world.sharer.drop_publisher("m2", world.now);
    world.tick();
    CHECK(world.shares.at(own) == 60_Mbps);
    CHECK(world.messages.size() == messages);
}

TEST_CASE("states of hosts that do not exist, or of our own flows, are refused") {
    World world{dumbbell(2, 60_Mbps)};
    const FlowKey own = world.flow("client[0]", "server[0]");
    world.start(own);
    world.saturate({own}, 200ms);
    const std::vector<FlowState> states{{own, DemandState::gone()},
                                        {{HostId{0}, HostId{4000}}, DemandState::greedy()},
                                        {{HostId{4000}, HostId{0}}, DemandState::greedy()},
                                        {{HostId{1}, HostId{1}}, DemandState::greedy()}};
    CHECK(world.sharer.apply_remote("m2", states, world.now) == 4);
    world.tick();
    CHECK(world.shares.at(own) == 60_Mbps);
}

TEST_CASE("two machines with the same states give the same shares to the last bit") {
    const Scenario scenario = dumbbell(3, 59'999'983_bps);
    World one{scenario};
    World two{scenario};
    const FlowKey a = one.flow("client[0]", "server[0]");
    const FlowKey b = one.flow("client[1]", "server[1]");
    const FlowKey c = one.flow("client[2]", "server[2]");
    one.start(a);
    one.start(b);
    two.start(c);
    one.saturate({a, b}, 200ms);
    two.saturate({c}, 200ms);
    one.sharer.apply_remote("two", two.sharer.published(), one.now);
    two.sharer.apply_remote("one", one.sharer.published(), two.now);
    one.tick();
    two.tick();
    CHECK(one.caps.at(a) == one.caps.at(b));
    CHECK(one.caps.at(a) == two.caps.at(c));
}

TEST_CASE("samples tell what flows were allowed and did since the last") {
    World world{dumbbell(2, 60_Mbps)};
    const FlowKey flow = world.flow("client[0]", "server[0]");
    CHECK(world.sharer.sample(world.now).empty());
    world.start(flow);
    world.saturate({flow}, 1s);
    std::vector<FlowSample> samples = world.sharer.sample(world.now);
    REQUIRE(samples.size() == 1);
    CHECK(samples[0].flow == flow);
    CHECK(samples[0].allowed_bps == 60'000'000);
    CHECK(static_cast<double>(samples[0].measured_bps) == Approx(60e6).epsilon(0.001));
    world.saturate({flow}, 100ms);
    world.rest(500ms);
    samples = world.sharer.sample(world.now);
    REQUIRE(samples.size() == 1);
    CHECK(static_cast<double>(samples[0].measured_bps) == Approx(10e6).epsilon(0.001));
    CHECK(samples[0].bytes == world.counters(flow).bytes);
    world.rest(500ms);
    CHECK(world.sharer.sample(world.now).empty());
}

TEST_CASE("4,000 hosts that ping cause no message, and no cap") {
    World world{dumbbell(2'000, 10_Gbps)};
    for (int second = 0; second < 3; ++second) {
        for (std::uint32_t i = 0; i < 4'000; ++i) {
            world.packet({HostId{i}, HostId{(i + 1) % 4'000}});
            if (i % 40 == 39) world.tick();
        }
    }
    CHECK(world.messages.empty());
    CHECK(world.cap_calls == 0);
    world.rest(1s);
    CHECK(world.sharer.idle());
}

namespace {

// The plane forgets a flow: it lets its counters go, and has new ones when it comes back.
void plane_forgets(World& world, FlowKey flow) {
    world.all_counters.erase(flow);
}

// Others start flows, so that silent ones are looked for.
void let_others_start(World& world) {
    const FlowKey other = world.flow("client[1]", "server[1]");
    for (int i = 0; i < 5; ++i) {
        world.packet(other);
        world.rest(500ms);
    }
    world.sharer.sample(world.now);
}

}  // namespace

TEST_CASE("a flow that plane and sharer have forgotten comes back as if it had been kept (7)") {
    World kept{dumbbell(2, 60_Mbps)};
    World forgetful{dumbbell(2, 60_Mbps)};
    const FlowKey flow = kept.flow("client[0]", "server[0]");
    const FlowKey other = kept.flow("client[1]", "server[1]");
    for (World* world : {&kept, &forgetful}) {
        world->start(flow);
        world->saturate({flow}, 1s);
        world->rest(40s);
        world->sharer.sample(world->now);
    }
    REQUIRE(forgetful.sharer.flows() == 1);
    const std::uint64_t sent = forgetful.counters(flow).bytes;
    plane_forgets(forgetful, flow);
    for (World* world : {&kept, &forgetful}) {
        let_others_start(*world);
        world->messages.clear();
    }
    CHECK(forgetful.sharer.flows() == 1);
    CHECK(kept.sharer.flows() == 2);
    // Still this machine's own.
    CHECK(forgetful.sharer.apply_remote(
              "other", std::vector{FlowState{flow, DemandState::greedy()}}, forgetful.now) == 1);
    std::vector<FlowSample> samples[2];
    int i = 0;
    for (World* world : {&kept, &forgetful}) {
        world->shares.erase(flow);
        world->start(flow);
        CHECK(!world->shares.contains(flow));  // the log has it already
        world->shares.insert_or_assign(flow, 60_Mbps);
        world->start(other);
        world->saturate({flow, other}, 500ms);
        samples[i++] = world->sharer.sample(world->now);
    }
    CHECK(forgetful.sharer.flows() == 2);
    CHECK(forgetful.counters(flow).bytes < kept.counters(flow).bytes);
    REQUIRE(samples[0].size() == 2);
    REQUIRE(samples[1].size() == 2);
    for (std::size_t each = 0; each < 2; ++each) {
        CHECK(samples[0][each].flow == samples[1][each].flow);
        CHECK(samples[0][each].bytes == samples[1][each].bytes);
        CHECK(samples[0][each].measured_bps == samples[1][each].measured_bps);
        CHECK(samples[0][each].allowed_bps == samples[1][each].allowed_bps);
    }
    CHECK(samples[1][0].bytes == sent + forgetful.counters(flow).bytes);
    CHECK(kept.caps == forgetful.caps);
    CHECK(kept.shares == forgetful.shares);
    CHECK(kept.messages == forgetful.messages);
}

TEST_CASE("a flow whose counters begin anew before the sharer has forgotten it goes on (7)") {
    World world{dumbbell(2, 60_Mbps)};
    const FlowKey flow = world.flow("client[0]", "server[0]");
    world.start(flow);
    world.saturate({flow}, 1s);
    const std::uint64_t sent = world.counters(flow).bytes;
    SECTION("after it went idle") {
        world.rest(40s);
    }
    SECTION("or even before") {}
    world.sharer.sample(world.now);
    plane_forgets(world, flow);
    world.start(flow);
    world.saturate({flow}, 100ms);
    const std::vector<FlowSample> samples = world.sharer.sample(world.now);
    REQUIRE(samples.size() == 1);
    CHECK(samples[0].bytes == sent + world.counters(flow).bytes);
    CHECK(static_cast<double>(samples[0].measured_bps) == Approx(60e6).epsilon(0.01));
}
