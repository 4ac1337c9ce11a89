// The real network between machines: measured, and placements that it can't carry refused. As
// root.
#include <cmath>
#include <csignal>

#include <catch2/catch.hpp>

#include "tests/system/cluster_world.hh"

using namespace pleat;
using namespace pleat::literals;
using namespace pleat::system_test;
using nlohmann::json;

namespace {

// 20 Mbit/s of IP packets of 1400 bytes each; 1340 bytes of such a packet are hosts'.
constexpr Road kRoad{.one_way = 10ms, .rate = 20_Mbps, .mtu = 1400};
constexpr double kForHosts = 20e6 * 1340 / 1400;

constexpr const char* kTooNear = R"(
pleat: 1
name: too-near
hosts: {a: {place: m1}, b: {place: m2}}
links: [a -- b: 5ms 10Mbps]
)";

constexpr const char* kTooWide = R"(
pleat: 1
name: too-wide
hosts: {a: {place: m1}, b: {place: m2}, c: {place: m1}, d: {place: m2}}
links: [a -- b: 30ms 500Mbps, c -- d: 30ms 500Mbps]
)";

constexpr const char* kFits = R"(
pleat: 1
name: fits
duration: 1s
hosts: {a: {place: m1}, b: {place: m2}}
links: [a -- b: 30ms 5Mbps]
)";

// Most bandwidth stays on one machine when a is with c, and b with d; but then a and b are too
// near each other.
constexpr const char* kAnywhere = R"(
pleat: 1
name: anywhere
hosts: {a: {}, b: {}, c: {}, d: {}}
links: [a -- b: 5ms 1Mbps, c -- d: 5ms 1Mbps, a -- c: 40ms 5Mbps, b -- d: 40ms 5Mbps]
)";

void is_as_the_road(const json& way) {
    INFO(way.dump());
    CHECK(way.at("from") == "m1");
    CHECK(way.at("to") == "m2");
    const double round_trip = way.at("round_trip_us").at("least");
    CHECK(round_trip >= 20'000);
    CHECK(round_trip < 20'500);
    CHECK(way.at("round_trip_us").at("median") >= way.at("round_trip_us").at("least"));
    CHECK(way.at("mtu") == 1400);
    for (const std::string direction : {"there", "back"}) {
        // Within its own bounds: on a busy machine packets come in heaps, and it says so. But a
        // rate that may be anything is none.
        const double rate = way.at(direction).at("bps");
        const double error = way.at(direction).at("error_bps");
        CHECK(std::abs(rate - kForHosts) <= error + 0.05 * kForHosts);
        CHECK(error < 0.25 * kForHosts);
    }
}

}  // namespace

TEST_CASE("what the network between machines can't carry is refused, with the numbers") {
    if (!is_root_or_skips("machines as network namespaces") || !can_run_or_skips()) return;
    Cluster cluster{2, kRoad};
    const auto file = [&cluster](const std::string& name, const char* text) {
        return cluster.place.write(name, text);
    };
    const std::string near = file("near.yaml", kTooNear);
    const std::string fits = file("fits.yaml", kFits);

    const Ended unknown = cluster.pleat({"validate", near, "--machines"});
    CHECK(unknown.code == 1);
    CHECK(has(unknown.err, "m1 - m2 has not been measured (pleat machines check)"));
    const Ended unchecked = cluster.pleat({"submit", near});
    CHECK(unchecked.code == 0);  // nothing is known against it
    CHECK(has(unchecked.err, "pleat machines check"));

    // The run that was submitted speaks for its hosts: no rates, unless asked for.
    const Ended busy = cluster.pleat({"machines", "check"});
    CHECK(busy.code == 0);
    CHECK(has(busy.err, "rates not measured: machine m1 has hosts of runs under way"));
    CHECK(has(busy.out, "1400"));
    CHECK_FALSE(has(busy.out, "Mbit/s"));
    const Ended checked = cluster.pleat({"machines", "check", "--json", "--despite-runs"});
    INFO(checked.err);
    REQUIRE(checked.code == 0);
    const json network = document(checked.out).at("network");
    REQUIRE(network.size() == 1);
    is_as_the_road(network[0]);

    CHECK(has(cluster.pleat({"machines", "check"}).out, "Mbit/s"));  // those of before

    const Ended refused = cluster.pleat({"validate", near, "--machines"});
    INFO(refused.err);
    CHECK(refused.code == 3);
    CHECK(has(refused.err, "a (m1) -> b (m2): 5 ms emulated, 1"));
    const Ended too_wide = cluster.pleat({"validate", file("wide.yaml", kTooWide), "--machines"});
    INFO(too_wide.err);
    CHECK(too_wide.code == 3);
    CHECK(has(too_wide.err, "m1 -> m2, all hosts together: 1000 Mbit/s emulated, "));

    const Ended not_submitted = cluster.pleat({"submit", near});
    INFO(not_submitted.err);
    CHECK(not_submitted.code == 3);
    CHECK(has(not_submitted.err, "a (m1) -> b (m2): 5 ms emulated, 1"));
    CHECK(has(not_submitted.err, "--ignore-network"));
    CHECK(cluster.pleat({"run", near}).code == 3);
    const Ended nevertheless = cluster.pleat({"submit", near, "--ignore-network"});
    CHECK(nevertheless.code == 0);
    CHECK(has(nevertheless.err, "5 ms emulated"));

    // Of what there is, two runs of 10 Mbit/s have taken all.
    const Ended spoken_for = cluster.pleat({"validate", fits, "--machines"});
    INFO(spoken_for.err);
    CHECK(spoken_for.code == 3);
    CHECK(has(spoken_for.err, "of which are spoken for: 10 Mbit/s by r-"));
    CHECK(cluster.pleat({"down", "@"}).code == 0);
    CHECK(cluster.pleat({"down", "@~1"}).code == 0);
    CHECK(cluster.pleat({"validate", fits, "--machines"}).code == 0);
    CHECK(cluster.pleat({"validate", file("anywhere.yaml", kAnywhere), "--machines"}).code == 0);

    SECTION("paths says what of each latency the network takes, and which it can't be") {
        const json paths = document(cluster.pleat({"paths", fits, "--machines", "--json"}).out);
        REQUIRE(paths.size() == 2);
        CHECK(paths[0].at("machines") == json::array({"m1", "m2"}));
        const double real = paths[0].at("real_latency_us");
        CHECK(real >= 10'000);
        CHECK(real < 10'250);
        CHECK(paths[0].at("added_latency_us") == Approx(30'000 - real));
        CHECK(paths[0].at("real_is_larger") == false);
        const Ended slow = cluster.pleat({"paths", near, "a", "b", "--machines"});
        CHECK(slow.code == 0);
        CHECK(has(slow.out, "none: too slow"));
        CHECK(has(slow.out, "m1 -> m2"));
        CHECK(has(slow.err, "1 of these paths: the real latency is larger"));
    }
    SECTION("a controller that is started anew remembers it") {
        REQUIRE(cluster.controller->signal(SIGKILL));
        static_cast<void>(cluster.controller->finish(10s));
        cluster.start_controller();
        REQUIRE(cluster.connected(1));
        REQUIRE(cluster.connected(2));
        CHECK(cluster.pleat({"validate", near, "--machines"}).code == 3);
    }
    SECTION("a machine that is not there is named") {
        REQUIRE(cluster.nodes[1]->signal(SIGKILL));
        Ended gone;
        CHECK(eventually(20s, [&] {
            gone = cluster.pleat({"machines", "check"});
            return gone.code != 0;
        }));
        CHECK(gone.code == 10);
        CHECK(has(gone.err, "machine m2 is not connected"));
    }
}
