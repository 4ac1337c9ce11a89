// What the thread of the `tun` plane does to others of its priority.
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <sched.h>
#include <sys/eventfd.h>

#include "base/error.hh"
#include "base/realtime.hh"
#include "node/dataplane/tun_plane.hh"
#include "tests/model/build.hh"

using namespace pleat;
using namespace pleat::testing;
using namespace std::chrono_literals;

namespace {

std::optional<pid_t> packet_thread() {
    for (const auto& thread : std::filesystem::directory_iterator{"/proc/self/task"}) {
        std::ifstream file{thread.path() / "comm"};
        std::string name;
        if (file >> name && name == "pleat-packets") {
            return std::stoi(thread.path().filename().string());
        }
    }
    return {};
}

void confine(pid_t thread, const cpu_set_t& processors) {
    check("confine a thread", ::sched_setaffinity(thread, sizeof processors, &processors));
}

cpu_set_t allowed_processors() {
    cpu_set_t all;
    check("ask for processors", ::sched_getaffinity(0, sizeof all, &all));
    return all;
}

cpu_set_t first_of(const cpu_set_t& all) {
    cpu_set_t one;
    CPU_ZERO(&one);
    int first = 0;
    while (!CPU_ISSET(first, &all)) ++first;
    CPU_SET(first, &one);
    return one;
}

// Whether the packet thread leaves its processor to us again and again, in time.
bool gives_way(DataPlane& plane, pid_t packets) {
    const cpu_set_t all = allowed_processors();
    std::mutex mutex;
    std::condition_variable over;
    bool done = false;
    bool too_late = false;
    // Not of this priority, so that it runs elsewhere. When we never come to run it ends that.
    std::thread watch{[&] {
        std::unique_lock lock{mutex};
        too_late = !over.wait_for(lock, 5s, [&] { return done; });
        if (too_late) confine(packets, all);
    }};
    confine(packets, first_of(all));
    confine(0, first_of(all));
    std::uint64_t before = plane.totals().packets_in;
    for (int turn = 0; turn < 100; ++turn) {
        std::uint64_t now = before;
        while (now == before) {
            ::sched_yield();
            now = plane.totals().packets_in;
        }
        before = now;
    }
    confine(0, all);
    confine(packets, all);
    {
        const std::lock_guard lock{mutex};
        done = true;
    }
    over.notify_one();
    watch.join();
    return !too_late;
}

}  // namespace

TEST_CASE("a packet thread that is never idle gives way to others of its priority") {
    const Topology net = topology({"a -- s1: 1ms", "s1 -- b: 1ms"});
    const PathFolder folder{net};
    boost::asio::io_context loop;
    const auto plane = open_tun_plane(PlaneContext{.folder = folder,
                                                   .addresses = {},
                                                   .seed = 1,
                                                   .run = "test",
                                                   .report = [](const PlaneReport&) {},
                                                   .loop = loop});
    // Something to read at any time, each time too short for a packet.
    FileDescriptor busy{::eventfd(0xffffffff, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC)};
    check("make an event's descriptor", busy.value());
    plane->add_host(HostPort{.host = HostId{0}, .attachment = TunDevice{std::move(busy)}});
    const Instant deadline = monotonic_now() + 10s;
    while (plane->totals().packets_in == 0 && monotonic_now() < deadline) std::this_thread::yield();
    REQUIRE(plane->totals().packets_in > 0);
    const std::optional<pid_t> packets = packet_thread();
    REQUIRE(packets);

    bool tried = false;
    bool gave_way = false;
    std::thread{[&] {
        tried = take_realtime_priority();
        if (tried) gave_way = gives_way(*plane, *packets);
    }}.join();
    if (!tried) {
        WARN("SKIPPED, real-time priority is not allowed here");
        return;
    }
    CHECK(gave_way);
}
