// A host that is the machine itself: no namespace, and its processes are what its keeper has
// started.
#include <algorithm>
#include <array>
#include <csignal>

#include <catch2/catch.hpp>
#include <net/if.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/files.hh"
#include "base/interface_undo.hh"
#include "base/process.hh"
#include "tests/hosts/fleet_world.hh"

using namespace std::chrono_literals;

namespace pleat {

namespace {

// It has a child that is not its own any more. Both pids come before the rest.
Application family() {
    return shell(R"((sleep 600 & echo $! >>"$F"); echo $$ >>"$F"; exec sleep 601)");
}

FleetWorld machine_world(Application application, Duration grace = 30s, bool takeover = false) {
    return FleetWorld{scenario_of({{"a", std::move(application)}}),
                      [grace, takeover](FleetOptions& options) {
                          options.attachment = AttachmentKind::kernel_interface;
                          options.machine_interface = "lo";
                          options.takeover = takeover;
                          options.keeper_grace = grace;
                      }};
}

std::vector<pid_t> pids_in(const std::string& file) {
    std::vector<pid_t> result;
    std::string text = read_file(file).value_or("");
    for (std::size_t end = 0; (end = text.find('\n')) != std::string::npos;
         text.erase(0, end + 1)) {
        result.push_back(std::stoi(text));
    }
    return result;
}

bool all_gone(const std::vector<pid_t>& pids) {
    return std::ranges::all_of(
        pids, [](pid_t pid) { return state_of(pid) == '-' || state_of(pid) == 'Z'; });
}

}  // namespace

TEST_CASE("a machine's application runs on it as it is, and reports as others do") {
    if (!can_make_hosts()) return;
    FleetWorld world =
        machine_world(shell("readlink /proc/self/ns/net /proc/self/ns/pid "
                            "/proc/self/ns/mnt /proc/self/ns/uts; exit 7"));
    world.create();
    const auto& port = std::get<KernelInterface>(world.ports.at(0).attachment);
    CHECK(port.name == "lo");
    CHECK_FALSE(port.takeover);
    world.fleet->start(HostId{0});
    const auto exited = world.wait_for<HostExited>(HostId{0});
    REQUIRE(exited);
    CHECK(exited->exit_code == 7);
    std::string own;
    for (const char* const kind : {"net", "pid", "mnt", "uts"}) {
        std::array<char, 64> link{};
        const std::string path = std::string{"/proc/self/ns/"} + kind;
        REQUIRE(::readlink(path.c_str(), link.data(), link.size() - 1) > 0);
        own += std::string{link.data()} + "\n";
    }
    CHECK(world.log("a") == own);
}

TEST_CASE("what others have on a machine's interface is taken over only when that is asked for") {
    if (!can_make_hosts()) return;
    FleetWorld world = machine_world(shell("true"), 30s, true);
    world.create();
    CHECK(std::get<KernelInterface>(world.ports.at(0).attachment).takeover);
}

TEST_CASE("stopping a machine's host ends what it has started, orphans too, and nothing else") {
    if (!can_make_hosts()) return;
    for (const bool crash : {false, true}) {
        const ScratchDirectory place;
        Application application = family();
        application.environment["F"] = place / "pids";
        FleetWorld world = machine_world(application);
        Command command;
        command.arguments = {"sleep", "602"};
        auto stranger = Child::start(command);
        REQUIRE(stranger);
        world.create();
        world.fleet->start(HostId{0});
        REQUIRE(world.wait_for<HostStarted>(HostId{0}));
        REQUIRE(world.turn_until([&] { return pids_in(place / "pids").size() == 2; }));
        const std::vector<pid_t> pids = pids_in(place / "pids");
        if (crash) {
            world.fleet->crash(HostId{0});
            REQUIRE(world.wait_for<HostExited>(HostId{0}));
        } else {
            bool done = false;
            world.fleet->end_applications([&done] { done = true; });
            REQUIRE(world.turn_until([&done] { return done; }));
        }
        CHECK(world.turn_until([&pids] { return all_gone(pids); }));
        CHECK_FALSE(stranger->wait_until(monotonic_now()).has_value());
        // The keeper is there for the next application.
        CHECK(state_of(world.keeper_of("a")) != '-');
    }
}

TEST_CASE(
    "a machine's keeper that no node comes for ends all it started and undoes the interface") {
    if (!can_make_hosts()) return;
    const ScratchDirectory place;
    Application application = family();
    application.environment["F"] = place / "pids";
    FleetWorld world = machine_world(application, 200ms);
    const std::string runtime = world.options.runtime_directory;
    const pid_t node = ::fork();
    if (node == 0) {
        world.create();
        write_interface_undo(runtime, {.interface = "lo",
                                       .index = ::if_nametoindex("lo"),
                                       .network_namespace = this_network_namespace(),
                                       .ours = {},
                                       .then = {}});
        world.fleet->start(HostId{0});
        if (world.wait_for<HostStarted>(HostId{0})) ::kill(::getpid(), SIGKILL);
        ::_exit(1);
    }
    int status = 0;
    ::waitpid(node, &status, 0);
    REQUIRE(WIFSIGNALED(status));
    const pid_t keeper = world.keeper_of("a");
    CHECK(world.turn_until([&] { return all_gone({keeper}); }));
    const std::vector<pid_t> pids = pids_in(place / "pids");
    CHECK(pids.size() == 2);
    CHECK(all_gone(pids));
    CHECK_FALSE(read_interface_undo(runtime));
}

}  // namespace pleat
