// The tables of a run as a node holds them.
#include <catch2/catch.hpp>

#include "model/epochs.hh"
#include "node/epoch_tables.hh"
#include "tests/model/build.hh"

using namespace pleat;
using namespace std::chrono_literals;

namespace {

// Two events: three epochs.
Epochs three_epochs() {
    const Topology world = testing::topology({"a -- s1: 5ms 10Mbps", "s1 -- b: 5ms 10Mbps"});
    const LinkId link = testing::link(world, "a->s1");
    LinkPatch slower;
    slower.latency = 20ms;
    return compute_epochs(testing::scenario(
        world, {testing::event(1s, LinkChange{link, slower}), testing::event(2s, LinkDown{link})}));
}

}  // namespace

TEST_CASE("every delta is proved when it comes, and its table is there when its turn comes") {
    const Epochs epochs = three_epochs();
    const std::vector<PathTable> expected = tables(epochs);
    REQUIRE(expected.size() == 3);

    EpochTables held{epochs.base};
    for (std::size_t i = 1; i < 3; ++i) {
        const Result<std::uint64_t> hash = held.add(epochs.epochs[i].delta);
        REQUIRE(hash.has_value());
        CHECK(*hash == expected[i].hash());
    }
    CHECK(held.count() == 3);
    for (const PathTable& table : expected) {
        const std::shared_ptr<const PathTable> next = held.take_next();
        REQUIRE(next != nullptr);
        CHECK(next->hash() == table.hash());
        CHECK(next->epoch() == table.epoch());
    }
    CHECK(held.take_next() == nullptr);
}

TEST_CASE("a delta out of turn, or of another table, is refused and changes nothing") {
    const Epochs epochs = three_epochs();
    EpochTables held{epochs.base};

    const Result<std::uint64_t> early = held.add(epochs.epochs[2].delta);
    REQUIRE_FALSE(early.has_value());
    CHECK(early.error().message == "epoch 2 was pushed where epoch 1 was expected");

    PathTableDelta forged = epochs.epochs[1].delta;
    forged.base_hash ^= 1;
    CHECK_FALSE(held.add(forged).has_value());

    CHECK(held.count() == 1);
    CHECK(held.add(epochs.epochs[1].delta).has_value());
}
