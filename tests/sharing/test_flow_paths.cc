// Paths that are kept from one table to the next are the ones that would be found anew.
#include <algorithm>

#include <catch2/catch.hpp>

#include "model/epochs.hh"
#include "model/fair_share.hh"
#include "node/sharing/flow_paths.hh"
#include "tests/model/random_world.hh"

using namespace pleat;
using namespace pleat::testing;

namespace {

// By the folder, which knows nothing of what was before.
void check(FlowPaths& paths, const PathFolder& folder, const PathTable& table) {
    const auto hosts = static_cast<std::uint32_t>(folder.topology().hosts().size());
    for (std::uint32_t s = 0; s < hosts; ++s) {
        for (std::uint32_t d = 0; d < hosts; ++d) {
            if (s == d) continue;
            const FlowKey flow{HostId{s}, HostId{d}};
            const std::optional<Path> expected = folder.fold(table, flow.source, flow.destination);
            const FlowPath* const path = paths.find(flow);
            REQUIRE((path != nullptr) == expected.has_value());
            if (path == nullptr) continue;
            REQUIRE(std::ranges::equal(path->links(), expected->links));
            REQUIRE(path->rtt == expected->rtt);
            REQUIRE(path->bandwidth == expected->bandwidth);
            REQUIRE(path->weight == flow_weight(expected->rtt));
        }
    }
}

}  // namespace

TEST_CASE("over random timelines every path is that of the table in force") {
    Random random{31};
    std::size_t kept = 0;
    for (int i = 0; i < 150; ++i) {
        Scenario scenario;
        scenario.topology = build(random_parts(random, {.bridges = 6, .hosts = 8}));
        scenario.applications.resize(scenario.topology.hosts().size());
        scenario.timeline = canonical(random_timeline(random, scenario.topology, 20, 10));
        const Epochs epochs = compute_epochs(scenario);
        const PathFolder folder{scenario};
        std::vector<std::shared_ptr<const PathTable>> all;
        for (PathTable& table : tables(epochs)) {
            all.push_back(std::make_shared<const PathTable>(std::move(table)));
        }
        FlowPaths paths{folder, all.front()};
        check(paths, folder, *all.front());
        for (const auto& table : all) {
            paths.use(table);
            const std::uint64_t walks = paths.walks();
            check(paths, folder, *table);
            kept += paths.known() - (paths.walks() - walks);
        }
    }
    CHECK(kept > 1000);  // else nothing of it was tested
}

TEST_CASE("what nobody asks for is forgotten with the tables, what somebody asks for is not") {
    Random random{7};
    Scenario scenario;
    scenario.topology = build(random_parts(random, {.bridges = 4, .hosts = 60, .down_percent = 0}));
    scenario.applications.resize(scenario.topology.hosts().size());
    const PathFolder folder{scenario};
    const auto table = std::make_shared<const PathTable>(compute_epochs(scenario).base);
    FlowPaths paths{folder, table};
    const auto ask = [&paths](std::uint32_t sources) {
        for (std::uint32_t s = 0; s < sources; ++s) {
            for (std::uint32_t d = 0; d < 60; ++d) paths.find({HostId{s}, HostId{d}});
        }
    };
    ask(60);
    CHECK(paths.known() == 3600);
    paths.use(table);
    ask(40);
    paths.use(table);
    CHECK(paths.known() == 3600);  // most of it was asked for
    ask(10);
    paths.use(table);
    CHECK(paths.known() == 600);
    ask(60);
    CHECK(paths.known() == 3600);
}
