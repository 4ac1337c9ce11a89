// The ways of a run to other machines: how they are made, and how they are watched.
#include <catch2/catch.hpp>

#include "model/epochs.hh"
#include "node/run_tunnel.hh"
#include "tests/model/build.hh"

using namespace pleat;
using namespace pleat::testing;
using namespace std::chrono_literals;
using Catch::Contains;

namespace {

// A plane with one peer, of which the test says what it has measured.
class OnePeer final : public DataPlane {
  public:
    std::string_view name() const override { return "one peer"; }

    AttachmentKind attaches_to() const override { return AttachmentKind::tun_device; }

    void add_host(HostPort) override {}

    void remove_host(HostId) override {}

    void activate_at(std::shared_ptr<const PathTable>, Instant) override {}

    void set_caps(std::vector<FlowCap>) override {}

    void read_counters(Instant) override {}

    void cut(HostId) override {}

    void connect(HostId) override {}

    PlaneTotals totals() const override { return {}; }

    std::vector<TunnelPeerState> peers() const override { return {state}; }

    void set_underlay_latency(MachineNumber, Duration latency) override { told.push_back(latency); }

    TunnelPeerState state{.machine = 1};
    std::vector<Duration> told;
};

Peer peer(const std::string& name, std::vector<HostId> hosts, char key) {
    return {.name = name,
            .address = {},
            .hosts = std::move(hosts),
            .way = "10.0.0.1:7000",
            .way_key = std::string(32, key)};
}

}  // namespace

TEST_CASE("machines have the same numbers on all machines, and pairs their keys") {
    Scenario three;
    three.topology = topology({"a -- s: 1ms", "b -- s: 1ms", "c -- s: 1ms"});
    three.applications.resize(3);
    three.applications[2].outside = true;
    auto settings =
        tunnel_settings("m2", {peer("m1", {HostId{0}}, 'x'), peer("m3", {HostId{2}}, 'y')}, three,
                        true, open_tunnel_end("", {}));
    REQUIRE(settings);
    CHECK(settings->machine == 1);
    CHECK(settings->encrypt);
    REQUIRE(settings->peers.size() == 2);
    CHECK(settings->peers[0].machine == 0);
    CHECK(settings->peers[1].machine == 2);
    CHECK(settings->peers[1].key[31] == 'y');
    CHECK(settings->peers[1].hosts == std::vector<HostId>{HostId{2}});
    CHECK(endpoint_text(settings->peers[1].endpoint) == "10.0.0.1:7000");
    CHECK(settings->outside == HostId{2});
    CHECK_FALSE(tunnel_settings("m2", {}, three, false, FileDescriptor{}));

    Peer mute = peer("m1", {HostId{0}}, 'x');
    mute.way = "nowhere";
    CHECK_THROWS_WITH(tunnel_settings("m2", {mute}, three, false, open_tunnel_end("", {})),
                      Contains("m1"));
}

TEST_CASE("ends of tunnels are read as they are written, and nothing else is") {
    for (const std::string text : {"10.0.0.1:7000", "[fd00::1]:1"}) {
        const auto endpoint = parse_endpoint(text);
        REQUIRE(endpoint);
        CHECK(endpoint_text(*endpoint) == text);
    }
    for (const std::string text :
         {"", "10.0.0.1", "10.0.0.1:0", "10.0.0.1:70000", "host:1", ":1"}) {
        INFO(text);
        CHECK_FALSE(parse_endpoint(text));
    }
    CHECK(parse_port_range("7500-7599") == PortRange{7500, 7599});
    CHECK(parse_port_range("7500") == PortRange{7500, 7500});
    for (const std::string text : {"", "0", "7599-7500", "1-", "-1", "a-b", "1-70000"}) {
        INFO(text);
        CHECK_FALSE(parse_port_range(text));
    }
}

TEST_CASE("a tunnel's end is opened again where it was, or not at all") {
    std::string endpoint;
    {
        const FileDescriptor before = open_tunnel_end("127.0.0.1", {});
        endpoint = endpoint_text(tunnel_endpoint(before));
        CHECK_THROWS_WITH(reopen_tunnel_end(endpoint), Contains(endpoint));  // it is there still
    }
    const FileDescriptor after = reopen_tunnel_end(endpoint);
    CHECK(endpoint_text(tunnel_endpoint(after)) == endpoint);
    CHECK_THROWS_AS(reopen_tunnel_end("nowhere"), Failure);
}

TEST_CASE("each run has a port of its own, and when there is none left that is said") {
    const FileDescriptor free = open_tunnel_end("127.0.0.1", {});
    const std::uint16_t taken = tunnel_endpoint(free).port();
    CHECK(taken != 0);
    CHECK_THROWS_WITH(open_tunnel_end("127.0.0.1", {taken, taken}), Contains("--tunnel-ports"));
    CHECK_THROWS_WITH(open_tunnel_end("no.such.host.invalid", {}), Contains("no.such.host"));
}

TEST_CASE("ways are open when they are measured, and half their round trip is told to the plane") {
    boost::asio::io_context loop;
    OnePeer plane;
    int opened = 0;
    RunTunnel tunnel{loop,
                     plane,
                     {peer("m2", {HostId{1}}, 'x')},
                     [&opened] { ++opened; },
                     [](const std::string&) {}};
    CHECK_FALSE(tunnel.open());
    loop.run_one_for(5s);
    CHECK_FALSE(tunnel.open());
    plane.state.ready = true;
    loop.run_one_for(5s);
    CHECK_FALSE(tunnel.open());  // not measured
    CHECK(tunnel.round_trips().empty());
    plane.state.round_trip = 10ms;
    loop.run_one_for(5s);
    CHECK(tunnel.open());
    plane.state.round_trip = 10ms + 2us;  // not worth telling
    loop.run_one_for(5s);
    plane.state.round_trip = 8ms;
    loop.run_one_for(5s);
    CHECK(plane.told == std::vector<Duration>{5ms, 4ms});
    CHECK(tunnel.round_trips() == std::vector<std::pair<std::string, Duration>>{{"m2", 8ms}});
    CHECK(opened == 1);
}

TEST_CASE("a way that stays shut is warned of, with where it leads") {
    boost::asio::io_context loop;
    OnePeer plane;
    std::vector<std::string> warnings;
    RunTunnel tunnel{loop,
                     plane,
                     {peer("m2", {HostId{1}}, 'x')},
                     [] {},
                     [&warnings](const std::string& text) { warnings.push_back(text); }};
    const Instant until = monotonic_now() + 10s;
    while (warnings.empty() && monotonic_now() < until) loop.run_one_for(1s);
    REQUIRE(warnings.size() == 1);
    CHECK_THAT(warnings[0], Contains("m2 (10.0.0.1:7000)"));
}

TEST_CASE("paths that are asked to be quicker than the way are named, with both latencies") {
    const Topology three = topology({"a -- b: 2ms", "a -- c: 12ms"});
    const PathFolder folder{three};
    const PathTable table =
        compute_epochs(scenario(topology({"a -- b: 2ms", "a -- c: 12ms"}))).base;
    boost::asio::io_context loop;
    OnePeer plane;
    RunTunnel tunnel{
        loop, plane, {peer("m2", {HostId{1}, HostId{2}}, 'x')}, [] {}, [](const std::string&) {}};
    CHECK(tunnel.too_quick_paths("m1", folder, table).empty());  // not measured
    plane.state.ready = true;
    plane.state.round_trip = 20ms;
    loop.run_one_for(5s);
    const std::string text = tunnel.too_quick_paths("m1", folder, table);
    CHECK_THAT(text, Contains("2 paths") && Contains("a -> b 2.00 ms") && Contains("10.00 ms"));
    CHECK(tunnel.too_quick_paths("m3", folder, table).empty());  // m2 tells of this pair
    plane.state.round_trip = 4100us;                             // as much as any plane takes
    loop.run_one_for(5s);
    CHECK(tunnel.too_quick_paths("m1", folder, table).empty());
}
