// The sharing of three nodes in one process, over real sockets, each with a plane that
// records. Every wait has a deadline.
#include <map>

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

#include "base/log.hh"
#include "model/epochs.hh"
#include "node/dataplane/recording_plane.hh"
#include "node/run_sharing.hh"
#include "tests/sharing/dumbbell.hh"
#include "tests/wire/temporary_directory.hh"

using namespace pleat;
using namespace pleat::literals;
using namespace pleat::testing;
using namespace std::chrono_literals;

namespace {

// One machine of the dumbbell: it has client[i] and server[i].
struct OneMachine {
    std::string name;
    std::vector<HostId> hosts;
    FlowKey flow;
    std::unique_ptr<SharingSockets> sockets;
    RecordingPlane plane;
    std::shared_ptr<FlowCounters> counters = std::make_shared<FlowCounters>();
    bool sends = false;
    Bandwidth cap = Bandwidth::unlimited();
    HostStatuses heard_hosts;
    std::vector<std::string> heard;
    std::vector<std::string> lost;
    std::vector<std::string> problems;
    std::unique_ptr<RunSharing> sharing;
};

struct World {
    World()
        : folder{scenario}, base{std::make_shared<const PathTable>(compute_epochs(scenario).base)} {
        log::silence();
        for (std::uint32_t i = 0; i < 3; ++i) {
            auto machine = std::make_unique<OneMachine>();
            machine->name = "m" + std::to_string(i + 1);
            const std::string index = "[" + std::to_string(i) + "]";
            machine->flow = {host("client" + index), host("server" + index)};
            machine->hosts = {machine->flow.source, machine->flow.destination};
            std::ranges::sort(machine->hosts);
            machines.push_back(std::move(machine));
        }
        for (std::size_t i = 0; i < 3; ++i) open_sockets(i);
    }

    HostId host(const std::string& name) const { return *scenario.topology.find_host(name); }

    void open_sockets(std::size_t i) {
        const std::string path = "ipc://" + directory.path() + "/" + machines[i]->name;
        machines[i]->sockets.reset();
        machines[i]->sockets = std::make_unique<SharingSockets>(loop, path + "-s", path + "-f");
    }

    // OneMachine i joins the run, with its peers among `members`.
    void join(std::size_t i, const std::vector<std::size_t>& members = {0, 1, 2},
              const std::string& run = "r-1") {
        OneMachine& m = *machines[i];
        SharingMember member{.run = run,
                             .node = m.name,
                             .incarnation = ++incarnation,
                             .compare_shares = true,
                             .peers = {}};
        for (const std::size_t other : members) {
            if (other == i) continue;
            member.peers.push_back({machines[other]->name, machines[other]->sockets->address(),
                                    machines[other]->hosts});
        }
        m.sharing = std::make_unique<RunSharing>(
            loop, *m.sockets, std::move(member), folder, base,
            RunSharingOutputs{
                .set_caps =
                    [&m](std::vector<FlowCap> caps) {
                        for (const FlowCap& cap : caps) {
                            if (cap.flow == m.flow) m.cap = cap.cap;
                        }
                        m.plane.set_caps(std::move(caps));
                    },
                .share = {},
                .published = {},
                .host = [&m](HostId host,
                             const HostStatus& status) { m.heard_hosts[host] = status; },
                .peer_heard = [&m](const Peer& peer) { m.heard.push_back(peer.name); },
                .peer_lost = [&m](const Peer& peer) { m.lost.push_back(peer.name); },
                .problem = [&m](const std::string& problem) { m.problems.push_back(problem); }});
    }

    void start(std::size_t i) {
        OneMachine& m = *machines[i];
        const Instant now = monotonic_now();
        m.counters->last_arrival_ns = now.time_since_epoch().count();
        m.counters->packets = 1;
        m.sharing->sharer().flow_started({m.flow, now, m.counters}, now);
        m.sends = true;
    }

    // A tick of each node: who sends is backlogged, and sends what it may.
    void tick() {
        const Instant now = monotonic_now();
        const Duration elapsed = now - std::exchange(last_tick, now);
        for (const auto& m : machines) {
            if (!m->sharing) continue;
            if (m->sends) {
                FlowCounters& of = *m->counters;
                of.last_arrival_ns = now.time_since_epoch().count();
                if (of.waiting_since_ns == 0) of.waiting_since_ns = of.last_arrival_ns.load();
                of.queued_bytes = 100'000;
                of.bytes +=
                    static_cast<std::uint64_t>((std::min(m->cap, 60_Mbps) * elapsed).bytes());
                of.packets += 10;
            }
            if (!m->sharing->sharer().idle()) m->sharing->sharer().tick(now);
        }
    }

    bool until(const std::function<bool()>& condition) {
        const Instant deadline = monotonic_now() + 15s;
        while (!condition()) {
            if (monotonic_now() > deadline) return false;
            loop.run_one_for(5ms);
            if (monotonic_now() - last_tick >= 10ms) tick();
        }
        return true;
    }

    bool caps_are(std::initializer_list<Bandwidth> caps) const {
        std::size_t i = 0;
        for (const Bandwidth cap : caps) {
            if (machines[i++]->cap != cap) return false;
        }
        return true;
    }

    // The reference: what a solver makes of so many equal greedy flows.
    static Bandwidth share(int flows) { return Bandwidth::bits_per_second(60'000'000 / flows); }

    boost::asio::io_context loop;
    TemporaryDirectory directory;
    Scenario scenario = dumbbell(3, 60_Mbps);
    PathFolder folder;
    std::shared_ptr<const PathTable> base;
    std::vector<std::unique_ptr<OneMachine>> machines;
    std::uint64_t incarnation = 0;
    Instant last_tick = monotonic_now();
};

}  // namespace

TEST_CASE("flows of three machines share a link, and all compute the same") {
    World w;
    for (std::size_t i = 0; i < 3; ++i) w.join(i);
    REQUIRE(w.until([&] {
        return w.machines[0]->sharing->all_heard() && w.machines[1]->sharing->all_heard() &&
               w.machines[2]->sharing->all_heard();
    }));
    CHECK(w.machines[0]->heard.size() == 2);
    for (std::size_t i = 0; i < 3; ++i) w.start(i);
    CHECK(w.until([&] { return w.caps_are({World::share(3), World::share(3), World::share(3)}); }));
    // And they tell each other so.
    CHECK(w.until([&] {
        return w.machines[0]->sharing->compared() >= 4 && w.machines[2]->sharing->compared() >= 4;
    }));
    for (const auto& m : w.machines) CHECK(m->problems.empty());
}

TEST_CASE("when nothing changes there are heartbeats and nothing else") {
    World w;
    for (std::size_t i = 0; i < 3; ++i) w.join(i);
    for (std::size_t i = 0; i < 3; ++i) w.start(i);
    REQUIRE(
        w.until([&] { return w.caps_are({World::share(3), World::share(3), World::share(3)}); }));
    const std::uint64_t before = w.machines[0]->sharing->traffic().messages_sent;
    const Instant began = monotonic_now();
    REQUIRE(w.until([&] { return w.machines[0]->sharing->traffic().messages_sent >= before + 5; }));
    CHECK(monotonic_now() - began > 1900ms);
    CHECK(w.machines[0]->sharing->traffic().bytes_sent > 0);
}

TEST_CASE("the flows of a machine that is lost are gone for the others, until it is back") {
    World w;
    for (std::size_t i = 0; i < 3; ++i) w.join(i);
    for (std::size_t i = 0; i < 3; ++i) w.start(i);
    REQUIRE(
        w.until([&] { return w.caps_are({World::share(3), World::share(3), World::share(3)}); }));
    const Instant began = monotonic_now();
    w.machines[2]->sharing.reset();
    w.machines[2]->sends = false;
    w.machines[2]->sockets.reset();
    REQUIRE(w.until([&] { return w.machines[0]->cap == World::share(2); }));
    CHECK(monotonic_now() - began < 4s);  // three heartbeats and what a busy machine takes
    CHECK(w.machines[0]->lost == std::vector<std::string>{"m3"});
    CHECK_FALSE(w.machines[0]->sharing->all_heard());
    // Started anew: a new incarnation at the same place.
    w.open_sockets(2);
    w.machines[2]->counters = std::make_shared<FlowCounters>();
    w.join(2);
    REQUIRE(w.until([&] { return w.machines[0]->sharing->all_heard(); }));
    w.start(2);
    CHECK(w.until([&] { return w.caps_are({World::share(3), World::share(3), World::share(3)}); }));
}

TEST_CASE("who comes late has the whole state") {
    World w;
    w.join(0);
    w.join(1);
    w.start(0);
    w.start(1);
    REQUIRE(w.until([&] { return w.caps_are({World::share(2), World::share(2)}); }));
    w.join(2);
    w.start(2);
    CHECK(w.until([&] { return w.caps_are({World::share(3), World::share(3), World::share(3)}); }));
}

TEST_CASE("nodes tell each other how far their hosts are, and nothing of others' hosts") {
    World w;
    w.join(0);
    w.join(1);
    const HostStatus ready{HostStatus::State::started, true, 4};
    w.machines[0]->sharing->tell(w.machines[0]->hosts[0], ready);
    w.machines[0]->sharing->tell(w.machines[1]->hosts[0], ready);  // a lie
    w.join(2);                                                     // late
    REQUIRE(w.until([&] {
        return !w.machines[1]->heard_hosts.empty() && !w.machines[2]->heard_hosts.empty();
    }));
    CHECK(w.machines[1]->heard_hosts == HostStatuses{{w.machines[0]->hosts[0], ready}});
    CHECK(w.machines[2]->heard_hosts == HostStatuses{{w.machines[0]->hosts[0], ready}});
}

TEST_CASE("runs on the same machines do not hear each other") {
    World w;
    for (std::size_t i = 0; i < 3; ++i) w.join(i);
    // The same hosts and flows in another run, on the sockets of the first two.
    World other;
    for (std::size_t i = 0; i < 2; ++i) {
        OneMachine& m = *w.machines[i];
        OneMachine& its = *other.machines[i];
        its.sockets.reset();
        SharingMember member{
            .run = "r-12",
            .node = m.name,
            .incarnation = 1,
            .compare_shares = true,
            .peers = {{w.machines[1 - i]->name, w.machines[1 - i]->sockets->address(),
                       w.machines[1 - i]->hosts}}};
        its.sharing = std::make_unique<RunSharing>(
            w.loop, *m.sockets, std::move(member), other.folder, other.base,
            RunSharingOutputs{.set_caps =
                                  [&its](const std::vector<FlowCap>& caps) {
                                      for (const FlowCap& cap : caps) its.cap = cap.cap;
                                  },
                              .share = {},
                              .published = {},
                              .host = {},
                              .peer_heard = {},
                              .peer_lost = {},
                              .problem = {}});
    }
    for (std::size_t i = 0; i < 3; ++i) w.start(i);
    for (std::size_t i = 0; i < 2; ++i) other.start(i);
    CHECK(w.until([&] {
        other.tick();
        return w.caps_are({World::share(3), World::share(3), World::share(3)}) &&
               other.caps_are({World::share(2), World::share(2)});
    }));
    for (std::size_t i = 0; i < 2; ++i) other.machines[i]->sharing.reset();
}
