// A node that is restarted takes over the hosts of the one before it.
#include <csignal>

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/files.hh"
#include "node/netlink/in_namespace.hh"
#include "tests/hosts/fleet_world.hh"
#include "tests/underlay/departure.hh"

using namespace std::chrono_literals;

namespace pleat {

namespace {

// Its hosts were made and started, in this order, by a node that has been killed.
struct LeftAlone {
    LeftAlone(const std::vector<std::pair<std::string, Application>>& hosts,
              AttachmentKind attachment,
              const std::function<void(FleetWorld&)>& before_the_end = {})
        : world{scenario_of(hosts), [attachment](FleetOptions& options) {
                    options.attachment = attachment;
                    options.keeper_grace = 30s;
                    options.keeper_deadline = 5s;
                }} {
        for (std::uint32_t i = 0; i < hosts.size(); ++i) all.push_back(HostId{i});
        const pid_t node = ::fork();
        if (node == 0) {
            world.create();
            bool started = true;
            for (const HostId host : all) {
                if (world.scenario.applications[host.value].arguments.empty()) continue;
                world.fleet->start(host);
                started = started && world.wait_for<HostStarted>(host).has_value();
            }
            if (before_the_end) before_the_end(world);
            if (started) ::kill(::getpid(), SIGKILL);
            ::_exit(1);
        }
        int status = 0;
        ::waitpid(node, &status, 0);
        REQUIRE(WIFSIGNALED(status));
    }

    // What goes to this test's end must not outlive it.
    ~LeftAlone() {
        for (const HostId host : all) {
            const pid_t keeper = world.keeper_of(world.scenario.topology.host(host).name);
            if (state_of(keeper) != '-') ::kill(keeper, SIGKILL);
        }
    }

    LeftAlone(const LeftAlone&) = delete;
    LeftAlone& operator=(const LeftAlone&) = delete;

    LeftHosts ask(Duration patience = 5s) const {
        return ask_keepers(world.options.runtime_directory, world.options.run, all, patience);
    }

    std::vector<HostPort> adopt() {
        LeftHosts left = ask();
        return adopt(left);
    }

    std::vector<HostPort> adopt(LeftHosts& left) {
        return world.fleet->adopt(world.scenario, world.addresses, all, left);
    }

    bool dissolve() {
        bool done = false;
        world.fleet->dissolve([&done] { done = true; });
        return world.turn_until([&done] { return done; });
    }

    FleetWorld world;
    std::vector<HostId> all;
};

std::string output_of(FleetWorld& world, HostId host, const std::string& script) {
    const std::string name = world.scenario.topology.host(host).name;
    const std::string before = world.log(name);
    world.fleet->execute(host, 7, {"sh", "-c", script});
    if (!world.wait_for<ExecEnded>(host)) return "(no end)";
    return before == "(no log)" ? world.log(name) : world.log(name).substr(before.size());
}

bool ends_within(pid_t pid, std::chrono::milliseconds patience) {
    const FileDescriptor pidfd{static_cast<int>(::syscall(SYS_pidfd_open, pid, 0U))};
    if (!pidfd.open()) return true;
    pollfd wait{pidfd.value(), POLLIN, 0};
    return ::poll(&wait, 1, static_cast<int>(patience.count())) == 1;
}

}  // namespace

TEST_CASE("hosts of a killed node run on, and answer the fleet that adopts them") {
    if (!can_make_hosts()) return;
    const AttachmentKind attachment =
        GENERATE(AttachmentKind::tun_device, AttachmentKind::kernel_interface);
    LeftAlone left{{{"a", shell("exec sleep 100")}, {"b", {}}}, attachment};
    FleetWorld& world = left.world;
    const pid_t application = child_of(world.keeper_of("a"));
    REQUIRE(application > 0);
    LeftHosts asked = left.ask();
    CHECK(asked.held.empty());
    const std::vector<HostPort> ports = left.adopt(asked);
    REQUIRE(ports.size() == 2);
    CHECK(ports[1].ipv4 == 0x0a000002);
    CHECK(world.fleet->running(HostId{0}));
    CHECK_FALSE(world.fleet->running(HostId{1}));
    CHECK(state_of(application) != '-');
    if (attachment == AttachmentKind::kernel_interface) {
        // The namespace is the host's own, and the underlay still carries packets.
        unsigned index = 0;
        in_network_namespace(
            std::get<KernelInterface>(ports[0].attachment).network_namespace.value(),
            [&index] { index = ::if_nametoindex("pleat0"); });
        CHECK(index != 0);
        CHECK(output_of(world, HostId{1}, "ping -q -c1 -W2 a >/dev/null; echo $?") == "0\n");
    } else {
        // A packet of b's comes to us.
        const int tun = std::get<TunDevice>(ports[1].attachment).descriptor.value();
        world.fleet->execute(HostId{1}, 1, {"ping", "-c1", "-W1", "a"});
        pollfd packet{tun, POLLIN, 0};
        CHECK(::poll(&packet, 1, 5000) == 1);
    }
    // It can be stopped, and started anew.
    world.fleet->stop(HostId{0});
    const auto exited = world.wait_for<HostExited>(HostId{0});
    REQUIRE(exited);
    CHECK(exited->exit_code == 128 + SIGTERM);
    world.fleet->start(HostId{0});
    CHECK(world.wait_for<HostStarted>(HostId{0}));
    CHECK(left.dissolve());
    CHECK(state_of(world.keeper_of("a")) == '-');
    CHECK(world.count<HostLost>() == 0);
}

TEST_CASE("what happened while no node was there is reported to the one that adopts") {
    if (!can_make_hosts()) return;
    const ScratchDirectory signs;
    const std::string go = signs / "go";
    LeftAlone left{{{"a", shell("until [ -e " + go + " ]; do sleep .02; done; exit 3")}},
                   AttachmentKind::tun_device};
    const pid_t application = child_of(left.world.keeper_of("a"));
    write_new_file(go, "");
    REQUIRE(ends_within(application, 5s));
    const std::vector<HostPort> ports = left.adopt();
    const auto exited = left.world.wait_for<HostExited>(HostId{0});
    REQUIRE(exited);
    CHECK(exited->exit_code == 3);
    CHECK_FALSE(left.world.fleet->running(HostId{0}));
    CHECK(left.dissolve());
}

TEST_CASE("descriptors that keepers were given are given back by name") {
    if (!can_make_hosts()) return;
    LeftAlone left{{{"a", {}}, {"b", {}}}, AttachmentKind::kernel_interface, [](FleetWorld& world) {
                       const FileDescriptor first{::memfd_create("first", MFD_CLOEXEC)};
                       const FileDescriptor second{::memfd_create("second", MFD_CLOEXEC)};
                       static_cast<void>(!::write(second.value(), "hello", 5));
                       world.fleet->hold("memory", first.value());
                       world.fleet->hold("memory", second.value());  // instead
                       // The keepers answer after they have read both.
                       world.fleet->execute(HostId{0}, 1, {"true"});
                       world.fleet->execute(HostId{1}, 1, {"true"});
                       world.turn_until([&world] { return world.count<ExecEnded>() == 2; });
                   }};
    LeftHosts asked = left.ask();
    const std::vector<HostPort> ports = left.adopt(asked);
    REQUIRE(asked.held.size() == 1);
    std::array<char, 16> content{};
    CHECK(::pread(asked.held.at("memory").value(), content.data(), content.size(), 0) == 5);
    CHECK(std::string{content.data()} == "hello");
    CHECK(left.dissolve());
}

TEST_CASE("killed with all keepers, a node leaves no underlay") {
    if (!can_make_hosts()) return;
    LeftAlone left{{{"a", {}}, {"b", {}}}, AttachmentKind::kernel_interface};
    const pid_t keeper = left.world.keeper_of("a");
    // A host's namespace that we keep: its interface goes when the other end does.
    const std::string path = "/proc/" + std::to_string(keeper) + "/ns/net";
    const FileDescriptor kept{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    REQUIRE(kept.open());
    const Departure departure{kept.value()};
    REQUIRE(::kill(keeper, SIGKILL) == 0);
    REQUIRE(ends_within(keeper, 5s));
    CHECK_FALSE(departure.seen_within(300ms));  // the other keeper holds the underlay
    REQUIRE(::kill(left.world.keeper_of("b"), SIGKILL) == 0);
    CHECK(departure.seen_within(10s));
}

TEST_CASE("a host whose keeper has died meanwhile is reported lost, the others are adopted") {
    if (!can_make_hosts()) return;
    LeftAlone left{{{"a", {}}, {"b", {}}}, AttachmentKind::kernel_interface};
    FleetWorld& world = left.world;
    const pid_t keeper = world.keeper_of("a");
    REQUIRE(::kill(keeper, SIGKILL) == 0);
    REQUIRE(ends_within(keeper, 5s));
    const std::vector<HostPort> ports = left.adopt();
    REQUIRE(ports.size() == 1);
    CHECK(ports[0].host == HostId{1});
    const auto lost = world.wait_for<HostLost>(HostId{0});
    REQUIRE(lost);
    CHECK(lost->reason == "its keeper is not there any more");
    // One that dies afterwards is noticed, too.
    REQUIRE(::kill(world.keeper_of("b"), SIGKILL) == 0);
    CHECK(world.wait_for<HostLost>(HostId{1}));
}

TEST_CASE("a second fleet can't adopt what another one has, nor hosts of another data plane") {
    if (!can_make_hosts()) return;
    LeftAlone left{{{"a", {}}}, AttachmentKind::tun_device};
    const std::vector<HostPort> ports = left.adopt();
    CHECK_THROWS_WITH(left.ask(200ms), Catch::Contains("no keeper of run r-test"));
    CHECK(left.dissolve());

    LeftAlone other{{{"a", {}}}, AttachmentKind::tun_device};
    FleetOptions options = other.world.options;
    options.attachment = AttachmentKind::kernel_interface;
    HostFleet wrong{other.world.loop, options, [](const HostReport&) {}};
    LeftHosts asked = other.ask();
    CHECK_THROWS_WITH(wrong.adopt(other.world.scenario, other.world.addresses, other.all, asked),
                      Catch::Contains("another data plane"));
}

}  // namespace pleat
