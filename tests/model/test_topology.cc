#include <catch2/catch.hpp>

#include "model/path_table.hh"
#include "tests/model/build.hh"

using namespace pleat;
using namespace pleat::testing;
using namespace std::chrono_literals;

namespace {

Host plain(const std::string& name) {
    return Host{name, name, 0, false, {}};
}

std::string error_of(TopologyBuilder builder) {
    const auto built = std::move(builder).build();
    return built ? "" : built.error().message;
}

}  // namespace

TEST_CASE("hosts are numbered by group and replica, not by the letters of their names") {
    const Topology t = topology({"client[10] -- s1: 1ms", "client[2] -- s1: 1ms", "a -- s1: 1ms"});
    CHECK(t.hosts()[0].name == "a");
    CHECK(t.hosts()[1].name == "client[2]");
    CHECK(t.hosts()[2].name == "client[10]");
    CHECK(t.find_host("client[10]") == HostId{2});
    CHECK(t.find_bridge("s1") == BridgeId{0});
    CHECK(!t.find_host("s1"));
    CHECK(!t.find_bridge("a"));
    CHECK(t.name(t.vertex(BridgeId{0})) == "s1");
    CHECK(t.host_of(VertexId{2}) == HostId{2});
    CHECK(t.bridge_of(VertexId{3}) == BridgeId{0});
}

TEST_CASE("links are numbered by ends, name and properties") {
    const Topology t =
        topology({"s1 -> s2: 2ms", "s1 -> s2: 1ms", "s1 -> s2: 9ms name=a", "a -> s1: 1ms"});
    CHECK(t.label(LinkId{0}) == "a->s1");
    CHECK(t.link(LinkId{1}).properties.latency == 1ms);
    CHECK(t.link(LinkId{2}).properties.latency == 2ms);
    CHECK(t.label(LinkId{3}) == "s1->s2#a");
}

TEST_CASE("the links of a point ascend") {
    const Topology t = topology({"a -- s1: 1ms", "b -- s1: 1ms", "s1 -- s2: 1ms"});
    const VertexId s1 = vertex(t, "s1");
    REQUIRE(t.out_links(s1).size() == 3);
    CHECK(std::ranges::is_sorted(t.out_links(s1)));
    for (const LinkId id : t.out_links(s1)) CHECK(t.link(id).from == s1);
    REQUIRE(t.in_links(s1).size() == 3);
    CHECK(std::ranges::is_sorted(t.in_links(s1)));
    for (const LinkId id : t.in_links(s1)) CHECK(t.link(id).to == s1);
}

TEST_CASE("a hidden bridge is called by its label") {
    TopologyBuilder builder;
    builder.add(plain("a"));
    builder.add(Bridge{"client#shared", "client", true, {}});
    builder.add_link("a", "client#shared", {});
    const Topology t = *std::move(builder).build();
    CHECK(t.label(LinkId{0}) == "a->client");
}

TEST_CASE("a topology refuses names used twice, unknown ends and loops, and names them") {
    TopologyBuilder twice;
    twice.add(plain("a"));
    twice.add(plain("a"));
    CHECK_THAT(error_of(twice), Catch::Contains("two hosts have the name 'a'"));

    TopologyBuilder bridges;
    bridges.add(Bridge{"s", "s", false, {}});
    bridges.add(Bridge{"s", "s", false, {}});
    CHECK_THAT(error_of(bridges), Catch::Contains("two bridges have the name 's'"));

    TopologyBuilder both;
    both.add(plain("a"));
    both.add(Bridge{"a", "a", false, {}});
    CHECK_THAT(error_of(both), Catch::Contains("a host and a bridge have the name 'a'"));

    TopologyBuilder unknown;
    unknown.add(plain("a"));
    unknown.add_link("a", "s1", {});
    CHECK_THAT(error_of(unknown),
               Catch::Contains("'a->s1'") && Catch::Contains("no host or bridge 's1'"));

    TopologyBuilder loop;
    loop.add(plain("a"));
    loop.add_link("a", "a", {});
    CHECK_THAT(error_of(loop), Catch::Contains("two different ends"));
}

TEST_CASE("a topology refuses more bridges than a path's key can count") {
    TopologyBuilder builder;
    for (int b = 0; b < 65'535; ++b) builder.add(Bridge{"s" + std::to_string(b), "", false, {}});
    CHECK_THAT(error_of(std::move(builder)), Catch::Contains("at most 65534"));
}

TEST_CASE("trees start at bridges of hosts with one link and at hosts with several") {
    const Topology t = topology({"a -- s1: 1ms", "b -- s1: 1ms", "m -- s1: 1ms",
                                 "m -- s2: 1ms down", "p -- s3: 1ms", "p -- s3: 2ms", "d -- a: 1ms",
                                 "s1 -- s3: 1ms", "bridge s4", "host alone"});
    CHECK(tree_sources(t) == std::vector{vertex(t, "m"), vertex(t, "p"), vertex(t, "s1")});
}

TEST_CASE("timelines are sorted by instant and content, with overlays numbered anew") {
    const Topology t = topology({"a -- s1: 1ms"});
    const LinkDown down{LinkId{0}};
    std::vector<TimedEvent> timeline = overlay(70, 5s, 8s, down, "later");
    for (const TimedEvent& timed : overlay(90, 1s, 2s, down, "first")) timeline.push_back(timed);
    timeline.push_back(event(5s, LinkUp{LinkId{0}}, "up"));
    const std::vector<TimedEvent> sorted = canonical(timeline);
    std::vector<std::string> texts;
    std::vector<std::uint32_t> overlays;
    for (const TimedEvent& timed : sorted) {
        texts.push_back(timed.text);
        overlays.push_back(timed.overlay);
    }
    CHECK(texts == std::vector<std::string>{"first", "first", "up", "later", "later"});
    CHECK(overlays == std::vector<std::uint32_t>{1, 1, 0, 2, 2});
    CHECK(canonical(sorted) == sorted);
}
