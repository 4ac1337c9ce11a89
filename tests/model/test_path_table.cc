#include <catch2/catch.hpp>

#include "model/epochs.hh"
#include "model/path.hh"
#include "model/table_hash.hh"
#include "tests/model/build.hh"
#include "tests/model/random_world.hh"

using namespace pleat;
using namespace pleat::literals;
using namespace pleat::testing;
using namespace std::chrono_literals;

namespace {

struct Change {
    PathTable before;
    PathTableDelta delta;
};

// A table, and a delta of every kind of content that leads to the next.
Change example() {
    const Topology t = topology(
        {"a -- s1: 1ms", "s1 -- s2: 1ms", "s2 -- b: 1ms", "s1 -- s3: 1ms", "s3 -- s2: 1ms"});
    const Epochs epochs =
        compute_epochs(scenario(t, {event(1s, LinkDown{link(t, "s1->s2")}),
                                    event(1s, Partition{{{vertex(t, "a")}, {vertex(t, "b")}}})}));
    return {epochs.base, epochs.epochs.at(1).delta};
}

}  // namespace

TEST_CASE("a delta leads from a table to the next and back") {
    const Change change = example();
    const auto next = change.before.with(change.delta);
    REQUIRE(next);
    CHECK(next->hash() == change.delta.hash);
    CHECK(next->epoch() == EpochId{1});
    CHECK(!next->together(HostId{0}, HostId{1}));
    CHECK(change.before.together(HostId{0}, HostId{1}));

    PathTableDelta undo{.base_hash = next->hash(),
                        .hash = change.before.hash(),
                        .version = 1,
                        .epoch = EpochId{2},
                        .links = {},
                        .parents = {},
                        .partitions = {}};
    for (const auto& link : change.delta.links) {
        undo.links.push_back({link.link, change.before.link(link.link)});
    }
    for (const auto& parent : change.delta.parents) {
        const Parents& tree = *change.before.trees()[parent.tree.value];
        undo.parents.push_back({parent.tree, parent.bridge, tree[parent.bridge.value]});
    }
    undo.partitions = change.before.partitions();
    const auto back = next->with(undo);
    REQUIRE(back);
    CHECK(std::ranges::equal(back->links(), change.before.links()));
    CHECK(back->partitions() == change.before.partitions());
}

TEST_CASE("tables share the trees on which they agree") {
    const Topology t = topology({"a -- s1: 1ms", "s1 -- s2: 1ms", "s2 -- b: 1ms"});
    const LinkDown down{link(t, "s1->s2")};
    const auto all = tables(compute_epochs(scenario(t, {event(1s, down)})));
    CHECK(all[0].trees()[0] != all[1].trees()[0]);  // from s1
    CHECK(all[0].trees()[1] == all[1].trees()[1]);  // from s2
}

TEST_CASE("a table refuses a delta for another table") {
    Change change = example();
    const auto next = change.before.with(change.delta);
    const auto again = next->with(change.delta);
    REQUIRE(!again);
    CHECK_THAT(again.error().message, Catch::Contains("is for another table"));
}

TEST_CASE("a table refuses a delta that does not lead to its hash") {
    for (int what = 0; what < 5; ++what) {
        INFO("change " << what);
        Change change = example();
        PathTableDelta& delta = change.delta;
        if (what == 0) delta.hash ^= 1;
        if (what == 1) delta.links.front().state.properties.latency += 1ns;
        if (what == 2) delta.parents.front().parent = kNoLink;
        if (what == 3) delta.partitions.reset();
        if (what == 4) delta.parents.pop_back();
        const auto next = change.before.with(delta);
        REQUIRE(!next);
        CHECK_THAT(next.error().message, Catch::Contains("does not lead to"));
    }
}

TEST_CASE("a table refuses a delta that names what is not there") {
    for (int what = 0; what < 6; ++what) {
        INFO("change " << what);
        Change change = example();
        PathTableDelta& delta = change.delta;
        if (what == 0) delta.links.push_back({LinkId{1000}, LinkState{}});
        if (what == 1) delta.parents.push_back({TreeId{1000}, BridgeId{0}, LinkId{0}});
        if (what == 2) delta.parents.back().bridge = BridgeId{1000};
        if (what == 3) delta.parents.front().parent = LinkId{1000};
        if (what == 4) delta.links.insert(delta.links.begin(), {LinkId{1000}, LinkState{}});
        if (what == 5) delta.links.push_back(delta.links.back());
        CHECK(!change.before.with(delta));
    }
}

TEST_CASE("every field that a path depends on is in the hash") {
    const LinkState plain{};
    std::vector<LinkState> others(14, plain);
    others[0].up = false;
    others[1].properties.latency = 1ns;
    others[2].properties.jitter = 1ns;
    others[3].properties.distribution = JitterDistribution::pareto;
    others[4].properties.loss = Probability::of(0.1);
    others[5].properties.reorder = Probability::of(0.1);
    others[6].properties.duplicate = Probability::of(0.1);
    others[7].properties.corrupt = Probability::of(0.1);
    others[8].properties.burst_loss = GilbertElliott{};
    others[9].properties.burst_loss =
        GilbertElliott{.p = {}, .r = {}, .h = {}, .k = Probability::of(1)};
    others[10].properties.bandwidth = 1_Mbps;
    others[11].properties.queue.kind = QueueLimit::Kind::bytes;
    others[12].properties.queue.amount = 1;
    others[13].properties.overhead.bytes_per_packet = 0;
    others.push_back(plain);
    std::vector<std::uint64_t> hashes;
    hashes.reserve(others.size() + 1);
    for (const LinkState& state : others) hashes.push_back(link_hash(LinkId{3}, state));
    hashes.push_back(link_hash(LinkId{4}, plain));
    std::ranges::sort(hashes);
    CHECK(std::ranges::adjacent_find(hashes) == hashes.end());
}

TEST_CASE("the hash is the same number everywhere") {
    const PathTable before = example().before;
    // Written down once: another machine, compiler or version must find the same.
    CHECK(before.hash() == 0xc72f62d6a59059e9);
    CHECK(PathTable{1, EpochId{0}, {}, {}, {}}.hash() == 0xaddaed786bc3a6ba);
}

TEST_CASE("hosts that a partition does not name are together with all") {
    const PathTable table{1, EpochId{0}, {}, {}, {Sides{1, 2, 0}}};
    CHECK(!table.together(HostId{0}, HostId{1}));
    CHECK(table.together(HostId{0}, HostId{2}));
    CHECK(table.together(HostId{2}, HostId{1}));
    CHECK(table.together(HostId{0}, HostId{7}));
}
