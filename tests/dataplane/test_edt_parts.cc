// The parts of the `edt` plane between its decisions and the kernel.
#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <poll.h>

#include "model/epochs.hh"
#include "node/dataplane/edt/flow_watch.hh"
#include "node/dataplane/edt/path_caps.hh"
#include "node/dataplane/edt/place_register.hh"
#include "node/dataplane/edt/row_worker.hh"
#include "node/dataplane/edt/rows.hh"
#include "tests/model/build.hh"

using namespace std::chrono_literals;

namespace pleat {
namespace {

using namespace literals;

constexpr Instant kNow{100s};

std::uint64_t ns(Instant at) {
    return static_cast<std::uint64_t>(at.time_since_epoch().count());
}

// ---- caps

// Three hosts; a and c are of this machine.
struct Caps {
    std::vector<std::uint64_t> array = std::vector<std::uint64_t>(6);
    PathCaps caps{array, 3};
    static constexpr HostId kA{0}, kB{1}, kC{2};

    Caps() {
        caps.name_source(0, kA);
        caps.name_source(1, kC);
    }
};

TEST_CASE("a cap is a time per byte, and unlimited is none") {
    Caps world;
    world.caps.set(1, Caps::kB, 8_Mbps);
    CHECK(world.array == std::vector<std::uint64_t>{0, 0, 0, 0, time_per_byte(8_Mbps), 0});
    world.caps.set(1, Caps::kB, Bandwidth::unlimited());
    CHECK(world.array == std::vector<std::uint64_t>(6));
}

TEST_CASE("a host that is cut is blocked both ways, and nothing else is") {
    Caps world;
    world.caps.set(0, Caps::kB, 8_Mbps);
    world.caps.cut(Caps::kC);
    const std::uint64_t cap = time_per_byte(8_Mbps);
    CHECK(world.array ==
          std::vector<std::uint64_t>{0, cap, EDT_BLOCKED, EDT_BLOCKED, EDT_BLOCKED, EDT_BLOCKED});
    world.caps.connect(Caps::kC);
    CHECK(world.array == std::vector<std::uint64_t>{0, cap, 0, 0, 0, 0});
}

TEST_CASE("a pair is connected when both its ends are, with the cap set meanwhile") {
    Caps world;
    world.caps.cut(Caps::kA);
    world.caps.cut(Caps::kB);
    world.caps.set(0, Caps::kB, 8_Mbps);
    CHECK(world.array[1] == EDT_BLOCKED);
    world.caps.connect(Caps::kB);
    CHECK(world.array[1] == EDT_BLOCKED);
    world.caps.connect(Caps::kA);
    CHECK(world.array[1] == time_per_byte(8_Mbps));
}

TEST_CASE("a host that is gone is blocked like one that is cut, each for itself") {
    Caps world;
    world.caps.host_gone(Caps::kB);
    world.caps.cut(Caps::kB);
    world.caps.host_there(Caps::kB);
    CHECK(world.array == std::vector<std::uint64_t>{0, EDT_BLOCKED, 0, 0, EDT_BLOCKED, 0});
    world.caps.connect(Caps::kB);
    CHECK(world.array == std::vector<std::uint64_t>(6));
}

TEST_CASE("caps that are there already are kept, also over a block that is lifted") {
    std::vector<std::uint64_t> array{0, 77, EDT_BLOCKED};
    PathCaps caps{array, 3};
    caps.name_source(0, HostId{0});
    CHECK(array == std::vector<std::uint64_t>{0, 77, EDT_BLOCKED});
    caps.host_there(HostId{0});
    CHECK(array == std::vector<std::uint64_t>{0, 77, 0});
}

TEST_CASE("a host that gets its place while it is cut is blocked from the start") {
    std::vector<std::uint64_t> array(3);
    PathCaps caps{array, 3};
    caps.cut(HostId{1});
    caps.name_source(0, HostId{1});
    CHECK(array == std::vector<std::uint64_t>(3, EDT_BLOCKED));
}

// ---- flows

TEST_CASE("a flow has the same counters whenever it starts anew, and is read until it is idle") {
    std::array<edt_counters, 2> counters{};
    FlowWatch watch{counters};
    counters[1].bytes = 100;
    counters[1].last_arrival_ns = ns(kNow);
    const auto first = watch.start(1, kNow);
    CHECK(first->bytes == 100);
    counters[1].bytes = 200;
    watch.read(kNow + 500ms);
    CHECK(first->bytes == 200);
    CHECK(watch.reading() == 1);
    // What came before the last look is in it.
    counters[1].bytes = 300;
    watch.read(kNow + 2s);
    CHECK(first->bytes == 300);
    CHECK(watch.reading() == 0);
    counters[1].bytes = 400;
    counters[1].last_arrival_ns = ns(kNow + 3s);
    watch.read(kNow + 3s);
    CHECK(first->bytes == 300);
    CHECK(watch.start(1, kNow + 3s) == first);
    CHECK(first->bytes == 400);
}

TEST_CASE("a scan finds flows whose start was not told") {
    std::array<edt_counters, 4> counters{};
    FlowWatch watch{counters};
    counters[0].last_arrival_ns = ns(kNow);       // known
    counters[2].last_arrival_ns = ns(kNow - 5s);  // idle
    counters[3].last_arrival_ns = ns(kNow);       // missed
    watch.start(0, kNow);
    CHECK(watch.scan(kNow) == std::vector<std::uint32_t>{3});
    watch.start(3, kNow);
    CHECK(watch.scan(kNow).empty());
}

// ---- tables

struct World {
    Topology topology;
    PathFolder folder;
    std::shared_ptr<const PathTable> table;

    explicit World(const std::vector<std::string>& lines)
        : topology{testing::topology(lines)},
          folder{topology},
          table{std::make_shared<PathTable>(
              compute_epochs(testing::scenario(testing::topology(lines))).base)} {}

    HostId host(const std::string& name) const { return testing::host(topology, name); }

    std::vector<edt_path> rows(const std::string& source) const {
        std::vector<edt_path> result(topology.hosts().size());
        fold_source(folder, *table, host(source), result);
        return result;
    }
};

bool same(const edt_path& a, const edt_path& b) {
    return std::memcmp(&a, &b, sizeof a) == 0;
}

TEST_CASE("the rows of a host: reachable ones as their paths say, itself and others not") {
    const World world{{"a -- s1: 1ms 10Mbps", "b -- s1: 2ms 5Mbps", "c -- s2: 1ms"}};
    const std::vector<edt_path> rows = world.rows("a");
    CHECK(rows[0].flags == 0);  // to itself
    CHECK(rows[1].flags == EDT_REACHABLE);
    CHECK(rows[1].delay_ns == 3'000'000);
    CHECK(rows[1].time_per_byte == time_per_byte(5_Mbps));
    CHECK(rows[2].flags == 0);  // nothing leads there
}

TEST_CASE("a host's first link is its uplink, by the link's own number") {
    const World world{{"a -- s1: 1ms 10Mbps", "b -- s1: 2ms 5Mbps", "c -- s1: 1ms"}};
    CHECK(uplink_count(world.topology) == 3);
    const LinkId uplink = testing::link(world.topology, "b->s1");
    CHECK(world.rows("b")[0].uplink == uplink.value);
    const std::vector<edt_uplink> uplinks = fold_uplinks(world.topology, *world.table);
    CHECK(uplinks.at(uplink.value).time_per_byte == time_per_byte(5_Mbps));
    // An unlimited one has no clock.
    CHECK(world.rows("c")[0].uplink == EDT_NO_UPLINK);
}

TEST_CASE("a host with two links has an uplink each") {
    const World world{{"a -- s1: 1ms 10Mbps", "a -- s2: 1ms 20Mbps", "b -- s1: 1ms", "c -- s2: 1ms",
                       "s1 -- s2: 50ms 1Mbps"}};
    const std::vector<edt_path> rows = world.rows("a");
    CHECK(rows[1].uplink == testing::link(world.topology, "a->s1").value);
    CHECK(rows[2].uplink == testing::link(world.topology, "a->s2").value);
}

// Waits for the next result of the worker.
RowWorker::Result next(RowWorker& worker) {
    pollfd readable{.fd = worker.results().fd(), .events = POLLIN, .revents = 0};
    REQUIRE(::poll(&readable, 1, 20'000) == 1);
    auto results = worker.results().take();
    REQUIRE(results.size() == 1);
    return std::move(results[0]);
}

TEST_CASE("the worker folds what the loop would, host after host, also in two parts") {
    const World world{{"a -- s1: 1ms 10Mbps", "b -- s1: 2ms 5Mbps loss=1%", "c -- s1: 3ms 1Gbps"}};
    RowWorker worker{world.folder};
    worker.fold({1, world.table, {world.host("b")}, nullptr});
    const auto first = std::get<RowWorker::Folded>(next(worker));
    CHECK(first.ticket == 1);
    CHECK(first.rows->sources() == 1);
    worker.fold({1, world.table, {world.host("a"), world.host("c")}, first.rows});
    const auto all = std::get<RowWorker::Folded>(next(worker));
    CHECK(first.rows->sources() == 1);  // what was given away never changes
    REQUIRE(all.rows->sources() == 3);
    const std::array<std::string, 3> order{"b", "a", "c"};
    for (std::size_t place = 0; place < 3; ++place) {
        const std::vector<edt_path> expected = world.rows(order[place]);
        for (std::size_t d = 0; d < 3; ++d) {
            CHECK(same(all.rows->paths[place * 3 + d], expected[d]));
        }
        CHECK(all.rows->needs[place] == needs_of(expected));
    }
}

TEST_CASE("a table of no hosts is folded, too: the machine may have none yet") {
    const World world{{"a -- s1: 1ms 10Mbps", "b -- s1: 2ms 5Mbps"}};
    RowWorker worker{world.folder};
    worker.fold({5, world.table, {}, nullptr});
    const auto folded = std::get<RowWorker::Folded>(next(worker));
    CHECK(folded.rows->sources() == 0);
    CHECK(folded.rows->uplinks.size() == 2);
}

TEST_CASE("the worker copies rows into a slot") {
    const World world{{"a -- s1: 1ms 10Mbps", "b -- s1: 2ms 5Mbps"}};
    RowWorker worker{world.folder};
    worker.fold({1, world.table, {world.host("a")}, nullptr});
    const auto rows = std::get<RowWorker::Folded>(next(worker)).rows;
    // Room for a second host: that is not touched.
    std::vector<edt_path> paths(4);
    paths[2].delay_ns = 77;
    std::vector<edt_uplink> uplinks(2);
    worker.fill({2, rows, paths, uplinks, RowWorker::can_wait_for_readers()});
    CHECK(std::get<RowWorker::Filled>(next(worker)).slot == 2);
    CHECK(same(paths[1], world.rows("a")[1]));
    CHECK(paths[2].delay_ns == 77);
    CHECK(uplinks[0].time_per_byte == time_per_byte(10_Mbps));
}

// ---- places

TEST_CASE("places are found again by who takes over, and forgotten at the end") {
    std::string directory = "/tmp/pleat-places-XXXXXX";
    REQUIRE(::mkdtemp(directory.data()) != nullptr);
    {
        const FileDescriptor fd{::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
        PlaceRegister places{fd.value()};
        CHECK(places.add(HostId{7}) == 0);
        CHECK(places.add(HostId{3}) == 1);
        PlaceRegister again{fd.value()};
        CHECK(again.hosts() == std::vector<HostId>{HostId{7}, HostId{3}});
        CHECK(again.find(HostId{3}) == 1U);
        CHECK(again.find(HostId{1}) == std::nullopt);
        CHECK(again.add(HostId{1}) == 2);
        again.forget();
        CHECK(std::filesystem::is_empty(directory));
    }
    std::filesystem::remove(directory);
}

TEST_CASE("links that are no places are refused, not guessed at") {
    std::string directory = "/tmp/pleat-places-XXXXXX";
    REQUIRE(::mkdtemp(directory.data()) != nullptr);
    {
        const FileDescriptor fd{::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
        const std::string target = GENERATE(as<std::string>{}, "5", "x", "");
        if (!target.empty()) {
            REQUIRE(::symlinkat(target.c_str(), fd.value(), "host-1") == 0);
            CHECK_THROWS_AS(PlaceRegister{fd.value()}, Failure);
        } else {
            CHECK(PlaceRegister{fd.value()}.hosts().empty());
        }
    }
    std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace pleat
