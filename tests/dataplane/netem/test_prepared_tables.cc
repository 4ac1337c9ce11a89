#include <catch2/catch.hpp>

#include "node/dataplane/netem/prepared_tables.hh"

using namespace std::chrono_literals;

namespace pleat {

namespace {

std::shared_ptr<const PathTable> table(std::uint32_t version, std::uint32_t epoch) {
    return std::make_shared<PathTable>(version, EpochId{epoch}, std::vector<LinkState>{},
                                       std::vector<PathTable::Tree>{}, std::vector<Sides>{});
}

constexpr Instant at(Duration time) {
    return Instant{time};
}

}  // namespace

TEST_CASE("prepared tables come into force in the order of their instants, once folded") {
    PreparedTables tables;
    const auto first = table(1, 0);
    const auto second = table(1, 1);
    CHECK_FALSE(tables.next());
    tables.ask(second, at(20s));
    tables.ask(first, at(10s));
    CHECK(tables.next() == at(10s));
    tables.folded({.table = second, .rows = {}});
    // The first holds the second up.
    CHECK_FALSE(tables.take_due(at(30s)));
    tables.folded({.table = first, .rows = {}});
    CHECK_FALSE(tables.take_due(at(10s) - 1ns));
    CHECK(tables.take_due(at(10s)).value().table == first);
    CHECK_FALSE(tables.take_due(at(10s)));
    CHECK(tables.take_due(at(20s)).value().table == second);
    CHECK_FALSE(tables.next());
}

TEST_CASE(
    "of two prepared tables for one instant, or of one version and epoch, the later is kept") {
    PreparedTables tables;
    const auto old = table(1, 0);
    const auto same_instant = table(2, 0);
    const auto again = table(2, 0);
    tables.ask(old, at(10s));
    tables.ask(same_instant, at(10s));
    tables.ask(again, at(15s));
    CHECK(tables.next() == at(15s));
    // What was asked for no longer is folded in vain.
    tables.folded({.table = old, .rows = {}});
    tables.folded({.table = same_instant, .rows = {}});
    CHECK_FALSE(tables.take_due(at(20s)));
    tables.folded({.table = again, .rows = {}});
    CHECK(tables.take_due(at(20s)).value().table == again);
    CHECK_FALSE(tables.take_due(at(20s)));
}

}  // namespace pleat
