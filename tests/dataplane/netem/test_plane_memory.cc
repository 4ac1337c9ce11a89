// What the netem plane remembers beyond its process.
#include <algorithm>
#include <array>

#include <catch2/catch.hpp>
#include <fcntl.h>

#include "base/error.hh"
#include "node/dataplane/netem/plane_memory.hh"

using namespace pleat;
using namespace pleat::literals;
using namespace std::chrono_literals;

namespace {

FileDescriptor copy(int descriptor) {
    return FileDescriptor{check("copy a descriptor", ::fcntl(descriptor, F_DUPFD_CLOEXEC, 0))};
}

}  // namespace

TEST_CASE("who has the descriptor finds what was written, and each host's apart") {
    FileDescriptor left;
    {
        const PlaneMemory memory{3};
        left = copy(memory.descriptor());
        const auto host = memory.of(HostId{2});
        CHECK_FALSE(host->tcal().made);
        CHECK(host->tcal().destinations == 0);
        REQUIRE(host->rows().size() == 3);
        CHECK(host->rows()[1].cap().is_unlimited());
        host->place() = 7;
        host->is_cut() = true;
        host->tcal().made = true;
        host->tcal().destination.back().flushed = 5;
        host->rows()[2].set_cap(4_Mbps);
        host->rows()[2].destination = 9;
        memory.early()[0] = 3ms;
        memory.early()[2] = 4ms;
    }
    const PlaneMemory memory{3, std::move(left)};
    const auto host = memory.of(HostId{2});
    CHECK(host->place() == 7);
    CHECK(host->is_cut());
    CHECK(host->tcal().made);
    CHECK(host->tcal().destination.back().flushed == 5);
    CHECK(host->rows()[2].cap() == 4_Mbps);
    CHECK(host->rows()[2].destination == 9);
    CHECK(std::ranges::equal(memory.early(), std::array<Duration, 3>{3ms, 0ms, 4ms}));
    const auto other = memory.of(HostId{1});
    CHECK_FALSE(other->tcal().made);
    CHECK(other->rows()[2].destination == 0);
}

TEST_CASE("memory of another topology or version is refused") {
    const PlaneMemory memory{3};
    CHECK_THROWS_WITH((PlaneMemory{4, copy(memory.descriptor())}),
                      Catch::Contains("3 hosts, not 4"));
    CHECK_THROWS_AS((PlaneMemory{3, FileDescriptor{::open("/dev/null", O_RDWR | O_CLOEXEC)}}),
                    Failure);
}
