#include <array>
#include <cstring>
#include <iostream>

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/ledger_file.hh"
#include "base/process.hh"
#include "node/keeper/channel.hh"
#include "node/keeper/protocol.hh"
#include "tests/hosts/fleet_world.hh"

using namespace std::chrono_literals;

namespace pleat {

namespace {

// Whether process `pid` ends within `patience`; it need not be our child.
bool ends_within(pid_t pid, std::chrono::milliseconds patience) {
    const FileDescriptor pidfd{static_cast<int>(::syscall(SYS_pidfd_open, pid, 0U))};
    if (!pidfd.open()) return true;
    pollfd wait{pidfd.value(), POLLIN, 0};
    return ::poll(&wait, 1, static_cast<int>(patience.count())) == 1;
}

FileDescriptor call_keeper(const std::string& path) {
    FileDescriptor socket{::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(path.size() < sizeof address.sun_path);
    std::memcpy(address.sun_path, path.data(), path.size());
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): as connect() wants it
    const auto* const any = reinterpret_cast<const sockaddr*>(&address);
    REQUIRE(::connect(socket.value(), any, sizeof address) == 0);
    return socket;
}

keeper::Received await_packet(int socket) {
    pollfd wait{socket, POLLIN, 0};
    REQUIRE(::poll(&wait, 1, 10'000) == 1);
    return keeper::receive_packet(socket);
}

// A node that makes host `a` and is then killed: what it leaves is an orphan.
struct OrphanedHost {
    explicit OrphanedHost(Duration grace)
        : world{scenario_of({{"a", shell("exec sleep 100")}}),
                [grace](FleetOptions& options) { options.keeper_grace = grace; }} {
        const pid_t node = ::fork();
        if (node == 0) {
            world.create();
            world.fleet->start(HostId{0});
            const bool started = world.wait_for<HostStarted>(HostId{0}).has_value();
            if (started) ::kill(::getpid(), SIGKILL);
            ::_exit(1);
        }
        int status = 0;
        ::waitpid(node, &status, 0);
        made = WIFSIGNALED(status);
    }

    FleetWorld world;
    bool made = false;
};

}  // namespace

TEST_CASE("names of hosts resolve on every host, groups to all replicas") {
    if (!can_make_hosts()) return;
    FleetWorld world{scenario_of({{"client", {}}, {"server[0]", {}}, {"server[1]", {}}})};
    world.create();
    const HostId client = world.host("client");
    world.fleet->execute(client, 1,
                         {"sh", "-c",
                          "hostname; getent ahostsv4 server-1 | head -n1; "
                          "getent ahostsv4 server | grep -c STREAM; getent hosts server-0"});
    REQUIRE(world.wait_for<ExecEnded>(client));
    const std::string log = world.log("client");
    INFO(log);
    CHECK(log.starts_with("client\n10.0.0.3 "));
    CHECK(log.find("\n2\n") != std::string::npos);
    world.fleet->execute(client, 2, {"getent", "ahosts", "server-0"});
    REQUIRE(world.turn_until([&] { return world.count<ExecEnded>() == 2; }));
    // IPv4 first, so that rates mean the same for every application.
    const std::string second = world.log("client").substr(log.size());
    INFO(second);
    CHECK(second.starts_with("10.0.0.2 "));
    CHECK(second.find("fd00") != std::string::npos);
}

TEST_CASE("hosts have their interface, and say nothing unless an application speaks") {
    if (!can_make_hosts()) return;
    FleetWorld world{scenario_of({{"a", {}}, {"b", {}}})};
    world.create();
    REQUIRE(world.ports.size() == 2);
    CHECK(world.ports[1].host == HostId{1});
    CHECK(world.ports[1].ipv4 == 0x0a000002);
    pollfd silence{world.tun(0), POLLIN, 0};
    CHECK(::poll(&silence, 1, 300) == 0);
    // A packet to b leaves a through its TUN.
    world.fleet->execute(HostId{0}, 1, {"ping", "-c1", "-W1", "b"});
    pollfd packet{world.tun(0), POLLIN, 0};
    REQUIRE(::poll(&packet, 1, 5000) == 1);
    std::array<unsigned char, 2048> bytes{};
    const ssize_t n = ::read(world.tun(0), bytes.data(), bytes.size());
    constexpr ssize_t kVirtioHeader = 10;
    REQUIRE(n == kVirtioHeader + 84);
    CHECK(bytes[kVirtioHeader] == 0x45);
    CHECK(bytes[kVirtioHeader + 19] == 2);  // to 10.0.0.2
}

TEST_CASE("a sysctl of the user's is set, and a refused one names itself and undoes all") {
    if (!can_make_hosts()) return;
    Application tuned;
    tuned.sysctls = {{"net.ipv4.tcp_sack", "0"}};
    FleetWorld world{scenario_of({{"a", tuned}})};
    world.create();
    world.fleet->execute(HostId{0}, 1, {"cat", "/proc/sys/net/ipv4/tcp_sack"});
    REQUIRE(world.wait_for<ExecEnded>(HostId{0}));
    CHECK(world.log("a") == "0\n");

    Application wrong;
    wrong.sysctls = {{"net.ipv4.no_such_key", "1"}};
    FleetWorld broken{scenario_of({{"good", {}}, {"wrong", wrong}})};
    CHECK_THROWS_WITH(broken.create(),
                      Catch::Contains("host wrong: sysctl 'net.ipv4.no_such_key'"));
    CHECK(state_of(broken.keeper_of("good")) == '-');
    CHECK(state_of(broken.keeper_of("wrong")) == '-');
}

TEST_CASE("a user that does not exist is refused when the hosts are made") {
    if (!can_make_hosts()) return;
    Application application = shell("true");
    application.user = "no-such-user";
    FleetWorld world{scenario_of({{"a", application}})};
    CHECK_THROWS_WITH(world.create(), Catch::Contains("no user 'no-such-user'"));
}

TEST_CASE("a keeper that can't be executed is named") {
    if (!can_make_hosts()) return;
    FleetWorld world{scenario_of({{"a", {}}}),
                     [](FleetOptions& options) { options.keeper_program = "/no/keeper"; }};
    CHECK_THROWS_WITH(world.create(), Catch::Contains("cannot execute /no/keeper"));
}

TEST_CASE("when a keeper is killed its host is lost with all its processes") {
    if (!can_make_hosts()) return;
    FleetWorld world{scenario_of({{"a", shell("exec sleep 100")}, {"b", {}}})};
    world.create();
    world.fleet->start(HostId{0});
    REQUIRE(world.wait_for<HostStarted>(HostId{0}));
    const pid_t keeper = world.keeper_of("a");
    const pid_t application = child_of(keeper);
    REQUIRE(application > 0);
    REQUIRE(::kill(keeper, SIGKILL) == 0);
    const auto lost = world.wait_for<HostLost>(HostId{0});
    REQUIRE(lost);
    CHECK(lost->reason == "its keeper has ended: killed by signal 9 (Killed)");
    CHECK(state_of(application) == '-');
    CHECK_FALSE(world.fleet->running(HostId{0}));
    // What is asked of a lost host does nothing, also at the end.
    world.fleet->start(HostId{0});
    world.fleet->stop(HostId{0});
    bool done = false;
    world.fleet->end_applications([&] { world.fleet->dissolve([&done] { done = true; }); });
    CHECK(world.turn_until([&done] { return done; }));
}

TEST_CASE("dissolve ends all keepers and leaves no process and no socket") {
    if (!can_make_hosts()) return;
    FleetWorld world{scenario_of({{"a", shell("exec sleep 100")}, {"b", {}}})};
    world.create();
    world.fleet->start(HostId{0});
    REQUIRE(world.wait_for<HostStarted>(HostId{0}));
    bool done = false;
    world.fleet->dissolve([&done] { done = true; });
    REQUIRE(world.turn_until([&done] { return done; }));
    CHECK(state_of(world.keeper_of("a")) == '-');
    CHECK(state_of(world.keeper_of("b")) == '-');
    CHECK(std::filesystem::is_empty(world.options.runtime_directory + "/hosts"));
    CHECK(world.count<HostLost>() == 0);
}

TEST_CASE("a fleet that goes takes its hosts with it") {
    if (!can_make_hosts()) return;
    FleetWorld world{scenario_of({{"a", shell("exec sleep 100")}})};
    world.create();
    world.fleet->start(HostId{0});
    REQUIRE(world.wait_for<HostStarted>(HostId{0}));
    const pid_t keeper = world.keeper_of("a");
    REQUIRE(state_of(keeper) != '-');
    world.fleet.reset();
    CHECK(state_of(keeper) == '-');
    world.loop.restart();
    world.loop.poll();  // what was queued for it does no harm
}

TEST_CASE("a keeper whose node is killed ends after its grace, and its host with it") {
    if (!can_make_hosts()) return;
    const OrphanedHost orphan{300ms};
    REQUIRE(orphan.made);
    const pid_t keeper = orphan.world.keeper_of("a");
    const pid_t application = child_of(keeper);
    CHECK(application > 0);
    CHECK(ends_within(keeper, 5s));
    CHECK(ends_within(application, 5s));
    CHECK(std::filesystem::is_empty(orphan.world.options.runtime_directory + "/hosts"));
}

TEST_CASE("a restarted node takes a host over; forged messages are dropped") {
    if (!can_make_hosts()) return;
    const OrphanedHost orphan{20s};
    REQUIRE(orphan.made);
    const std::string& runtime = orphan.world.options.runtime_directory;
    const pid_t keeper = orphan.world.keeper_of("a");
    const std::string path = runtime + "/hosts/0.sock";

    FileDescriptor stranger = call_keeper(path);
    for (const std::string& forged :
         {std::string{"\0garbage", 8}, *keeper::encode(keeper::Request{keeper::End{}}),
          *keeper::encode(keeper::Request{keeper::Hello{"r-test:guessed"}}),
          std::string(200'000, 'x')}) {
        static_cast<void>(keeper::send_packet(stranger.value(), forged));
    }
    const FileDescriptor node = call_keeper(path);
    const auto content = ledger::read(runtime);
    REQUIRE(content);
    REQUIRE(keeper::send_packet(node.value(),
                                *keeper::encode(keeper::Request{keeper::Hello{content->mark}})) ==
            keeper::SendResult::sent);
    const keeper::Received answer = await_packet(node.value());
    const auto report = keeper::decode_report(answer.packet);
    REQUIRE(report);
    REQUIRE(std::holds_alternative<keeper::Up>(*report));
    CHECK(std::get<keeper::Up>(*report).running);
    CHECK(answer.descriptor.open());

    // While a node is there, others are closed at once.
    const FileDescriptor second = call_keeper(path);
    CHECK(await_packet(second.value()).what == keeper::Received::What::lost);
    // Garbage from the node itself changes nothing either.
    static_cast<void>(keeper::send_packet(node.value(), "garbage"));
    static_cast<void>(
        keeper::send_packet(node.value(), *keeper::encode(keeper::Request{keeper::Signal{99}})));
    CHECK_FALSE(ends_within(keeper, 100ms));
    REQUIRE(keeper::send_packet(node.value(), *keeper::encode(keeper::Request{keeper::End{}})) ==
            keeper::SendResult::sent);
    CHECK(ends_within(keeper, 5s));
}

TEST_CASE("clean ends the keepers of a killed node by the ledger") {
    if (!can_make_hosts()) return;
    const OrphanedHost orphan{60s};
    REQUIRE(orphan.made);
    const pid_t keeper = orphan.world.keeper_of("a");
    const pid_t application = child_of(keeper);
    REQUIRE(state_of(keeper) != '-');
    // This process, which owns the ledger, lives: nothing may be touched.
    CHECK(clean({orphan.world.directory.path()}).nothing_to_do());
    CHECK(state_of(keeper) != '-');
    // As if it had died: the owner's line names somebody else.
    const auto content = ledger::read(orphan.world.options.runtime_directory);
    REQUIRE(content);
    std::string text = ledger::header_line(content->machine, content->run, content->mark) +
                       ledger::process_line("owner", ::getpid(), 1);
    for (std::size_t i = 1; i < content->processes.size(); ++i) {
        const ledger::Process& process = content->processes[i];
        text += ledger::process_line(process.role, process.pid, process.start_ticks);
    }
    std::filesystem::remove(orphan.world.options.runtime_directory + "/ledger");
    {
        const FileDescriptor file{
            ::open((orphan.world.options.runtime_directory + "/ledger").c_str(), O_WRONLY | O_CREAT,
                   0600)};
        ledger::append(file.value(), "", text);
    }
    const CleanReport report = clean({orphan.world.directory.path()});
    CHECK(report.cleaned.size() == 1);
    CHECK(report.problems.empty());
    CHECK(state_of(keeper) == '-');
    CHECK(state_of(application) == '-');
    CHECK_FALSE(std::filesystem::exists(orphan.world.options.runtime_directory));
}

TEST_CASE("a hundred hosts are made in well under a second, and unmade") {
    if (!can_make_hosts()) return;
    std::vector<std::pair<std::string, Application>> hosts;
    hosts.reserve(100);
    for (int i = 0; i < 100; ++i) hosts.emplace_back("h[" + std::to_string(i) + "]", Application{});
    FleetWorld world{scenario_of(hosts)};
    const Instant begin = monotonic_now();
    world.create();
    const Instant made = monotonic_now();
    CHECK(world.ports.size() == 100);
    bool done = false;
    world.fleet->dissolve([&done] { done = true; });
    REQUIRE(world.turn_until([&done] { return done; }));
    const Instant end = monotonic_now();
    const auto ms = [](Duration d) {
        return std::chrono::duration_cast<std::chrono::milliseconds>(d).count();
    };
    std::cout << "100 hosts: made in " << ms(made - begin) << " ms, unmade in " << ms(end - made)
              << " ms\n";
    CHECK(made - begin < 5s);  // generous: the machine may be busy
}

}  // namespace pleat
