// A session with several simulated nodes: each with its own clock, distance and temper.
// Time is simulated; the network keeps the order of each connection, as TCP does.
#include <algorithm>
#include <map>
#include <queue>
#include <random>
#include <set>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "base/overload.hh"
#include "controller/run_session.hh"
#include "tests/controller/plans.hh"
#include "tests/model/build.hh"

using namespace pleat;
using namespace pleat::testing;
using namespace std::chrono_literals;
using Catch::Contains;

namespace {

struct NoArchive final : RunArchive {
    std::map<std::string, std::vector<LogRecord>> records;

    Result<void> prepared(const std::string&) override { return {}; }

    Result<void> under_way(const RunFinished&) override { return {}; }

    Result<void> add(const std::string& machine, const LogRecord& record) override {
        records[machine].push_back(record);
        return {};
    }

    Result<void> add_output(const OutputChunk&) override { return {}; }

    Result<void> finish(const RunFinished&) override { return {}; }
};

// "m1" has network 1, and so on.
VxlanEnd vxlan_of(const std::string& name) {
    return {.port = 4789, .network = static_cast<std::uint32_t>(name.back() - '0')};
}

// Does what a node does; how well, the test says.
struct SimulatedNode {
    std::string name;
    Duration ahead{};                  // of its clock before ours, at first
    double drift = 0;                  // by how much it is quicker than ours
    std::optional<Instant> jumps;      // by a second, forward
    Duration there = 1ms;              // how long messages to it take
    Duration back = 1ms;               // and from it
    Duration jitter{};                 // more, at random
    bool twice = false;                // each message arrives two times
    std::size_t hears = SIZE_MAX;      // dies when it has heard so many messages
    std::optional<Instant> mute_from;  // says and hears nothing between these
    std::optional<Instant> mute_until;
    std::uint32_t late_begins = 0;   // so many announcements take 10 s to arrive
    bool late_confirmation = false;  // arrives after T0

    // What became of it.
    std::size_t heard = 0;
    bool dead = false;
    std::size_t epochs_left = 0;
    std::size_t hosts = 0;
    std::vector<Peer> peers;
    std::optional<Instant> started;  // true time
    bool ended = false;
    Instant there_until{};  // order is kept
    Instant back_until{};
};

class Cluster {
  public:
    explicit Cluster(std::size_t machines) {
        std::vector<std::string> of_host;
        for (std::size_t i = 0; i < machines; ++i) {
            SimulatedNode node;
            node.name = fmt::format("m{}", i + 1);
            node.ahead = static_cast<int>(i) * 1h - 90min;
            nodes_.push_back(node);
            of_host.push_back(node.name);
        }
        Submit submit = dumbbell_submit("r-1", "/tmp/r-1");
        Scenario& scenario = submit.scenario;
        std::vector<std::string> links;
        links.reserve(machines + 1);
        for (std::size_t i = 0; i < machines; ++i) {
            links.push_back(fmt::format("h{} -- s1: 5ms", i));
        }
        links.emplace_back("s1 -- s2: 10ms");
        scenario.topology = topology(links);
        scenario.applications.assign(machines, {});
        const LinkId link{static_cast<std::uint32_t>(scenario.topology.links().size() - 1)};
        scenario.timeline = canonical({event(1s, LinkDown{link}, "down")});
        plan_ = plan_run(std::move(submit), of_host).value();
    }

    SimulatedNode& node(std::size_t i) { return nodes_.at(i); }

    // Runs it to its end, an hour at most.
    const RunFinished& run() {
        RunSession session{
            *plan_,
            deadlines,
            {.to_cli = [this](const ControlMessage& m) { to_cli.push_back(m); },
             .to_node = [this](const std::string& machine,
                               const ControlMessage& m) { say_to(by_name(machine), m); },
             .fresh_key = [this] { return std::string(32, ++keys_); }},
            archive,
            now_};
        session_ = &session;
        session.start({}, now_);
        for (SimulatedNode& each : nodes_) {
            at(now_ + each.back, [this, &each] {
                session_->node_arrived(Hello{each.name, "0", 1, {"ipc:///" + each.name, {}, {}}},
                                       now_);
            });
        }
        const Instant limit = now_ + 1h;
        while (!session.finished() && now_ < limit) {
            const Instant deadline = session.deadline().value_or(limit);
            if (!events_.empty() && events_.top().at <= deadline) {
                const Event next = events_.top();
                events_.pop();
                now_ = std::max(now_, next.at);
                next.action();
            } else {
                now_ = std::max(now_, deadline);
                session.tick(now_);
            }
        }
        REQUIRE(session.finished());
        session_ = nullptr;
        REQUIRE(count<RunFinished>() == 1);
        return std::get<RunFinished>(to_cli.back());
    }

    template <typename Message>
    std::size_t count() const {
        return static_cast<std::size_t>(std::ranges::count_if(
            to_cli, [](const ControlMessage& m) { return std::holds_alternative<Message>(m); }));
    }

    bool warned(const std::string& text) const {
        return std::ranges::any_of(to_cli, [&text](const ControlMessage& m) {
            const auto* stage = std::get_if<Stage>(&m);
            return stage != nullptr && stage->name == "machine" &&
                   stage->text.find(text) != std::string::npos;
        });
    }

    // Nobody may start but at one T0: how far apart were they?
    Duration spread() const {
        std::vector<Instant> starts;
        for (const SimulatedNode& each : nodes_) {
            if (each.started) starts.push_back(*each.started);
        }
        if (starts.empty()) return {};
        const auto [first, last] = std::ranges::minmax(starts);
        return last - first;
    }

    std::size_t started() const {
        return static_cast<std::size_t>(std::ranges::count_if(
            nodes_, [](const SimulatedNode& each) { return each.started.has_value(); }));
    }

    SessionDeadlines deadlines;
    NoArchive archive;
    std::vector<ControlMessage> to_cli;
    bool connections_tell = true;  // a node that dies is noticed at once
    Duration runs_for = 3s;
    std::mt19937_64 random{1};
    Instant began{1000s};

  private:
    struct Event {
        Instant at;
        std::uint64_t number;
        std::function<void()> action;

        bool operator<(const Event& other) const {
            return std::tie(other.at, other.number) < std::tie(at, number);
        }
    };

    SimulatedNode& by_name(const std::string& name) {
        return *std::ranges::find(nodes_, name, &SimulatedNode::name);
    }

    void at(Instant when, std::function<void()> action) {
        events_.push({when, ++number_, std::move(action)});
    }

    Duration more(const SimulatedNode& node) {
        if (node.jitter <= Duration::zero()) return {};
        return Duration{
            static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(node.jitter.count()))};
    }

    // What its clock shows, and when it shows that.
    Instant clock(const SimulatedNode& node, Instant true_time) const {
        const auto gone = std::chrono::duration<double, std::nano>{true_time - began};
        const auto gained = Duration{static_cast<std::int64_t>(gone.count() * node.drift)};
        const bool jumped = node.jumps && true_time >= *node.jumps;
        return true_time + node.ahead + gained + (jumped ? 1s : 0s);
    }

    Instant when(const SimulatedNode& node, Instant shown) const {
        const auto gone = std::chrono::duration<double, std::nano>{shown - node.ahead - began};
        return began + Duration{static_cast<std::int64_t>(gone.count() / (1 + node.drift))};
    }

    bool mute(const SimulatedNode& node) const {
        return node.mute_from && now_ >= *node.mute_from && now_ < *node.mute_until;
    }

    void say_to(SimulatedNode& node, const ControlMessage& message) {
        Duration delay = node.there + more(node);
        if (std::holds_alternative<Begin>(message) && node.late_begins > 0) {
            --node.late_begins;
            delay = 10s;
        }
        if (std::holds_alternative<ConfirmBegin>(message) && node.late_confirmation) delay = 2s;
        node.there_until = std::max(node.there_until, now_ + delay);
        for (int i = 0; i <= (node.twice ? 1 : 0); ++i) {
            at(node.there_until, [this, &node, message] { hear(node, message); });
        }
    }

    void say_from(SimulatedNode& node, const ControlMessage& message) {
        if (node.dead || mute(node)) return;
        node.back_until = std::max(node.back_until, now_ + node.back + more(node));
        for (int i = 0; i <= (node.twice && !std::holds_alternative<LogChunk>(message) ? 1 : 0);
             ++i) {
            at(node.back_until, [this, &node, message] {
                if (session_ != nullptr) session_->receive(node.name, message, now_);
            });
        }
    }

    void hear(SimulatedNode& node, const ControlMessage& message) {
        if (node.dead || mute(node)) return;
        if (node.heard++ >= node.hears) {
            node.dead = true;
            if (connections_tell) session_->node_lost(node.name, "its connection is closed", now_);
            return;
        }
        const auto prepared = [&](const PathTable& table) {
            tables_.insert_or_assign(node.name, table);
            say_from(node, Prepared{table.version(), table.epoch(), table.hash()});
            if (node.epochs_left == 0) return;
            --node.epochs_left;
            if (node.epochs_left == 0) {
                say_from(node, HostsReady{static_cast<std::uint32_t>(node.hosts), "fake"});
            }
        };
        std::visit(Overload{
                       [&](const OpenWay&) {
                           say_from(node, WayOpened{node.name + ":1", vxlan_of(node.name)});
                       },
                       [&](const PrepareRun& m) {
                           if (node.hosts > 0) return;  // again
                           node.hosts = m.local_hosts.size();
                           node.peers = m.peers;
                           node.epochs_left = m.epoch_starts.size();
                           prepared(m.base);
                       },
                       [&](const PrepareEpoch& m) {
                           const auto next = tables_.at(node.name).with(m.delta);
                           if (next) prepared(*next);
                       },
                       [&](const ClockPing& m) {
                           say_from(node, ClockPong{m.sequence, m.sent, clock(node, now_)});
                       },
                       [&](const Begin& m) {
                           if (clock(node, now_) > m.t0 - 10ms) {
                               say_from(node, BeginRefused{m.t0, "late"});
                           } else {
                               say_from(node, BeginAccepted{m.t0});
                           }
                       },
                       [&](const ConfirmBegin& m) {
                           if (node.started) return;
                           if (clock(node, now_) > m.t0) {
                               say_from(node, BeginRefused{m.t0, "confirmed late"});
                               return;
                           }
                           node.started = when(node, m.t0);
                           at(*node.started, [this, &node] { go_on(node); });
                           at(*node.started + runs_for,
                              [this, &node] { end(node, "its duration"); });
                       },
                       [&](const EndRun& m) { end(node, m.reason); },
                       [](const auto&) {},
                   },
                   message);
    }

    void go_on(SimulatedNode& node) {
        if (node.ended || node.dead) return;
        say_from(node, Progress{ExperimentTime{now_ - *node.started}, EpochId{0}, 1000, 1, 1});
        at(now_ + 1s, [this, &node] { go_on(node); });
    }

    void end(SimulatedNode& node, const std::string& reason) {
        if (node.dead || std::exchange(node.ended, true)) return;
        RunEnded ended;
        ended.reason = reason;
        ended.control = {2, 100};
        say_from(node, ended);
        const ExperimentTime second{1s};
        const std::string log =
            framed(EventRecord{second, second + node.there, EpochId{1}, "down"}) +
            framed(TotalsRecord{"packets_in", 7});
        say_from(node, LogChunk{0, log});
        say_from(node, LogEnd{log.size()});
    }

    std::optional<RunPlan> plan_;
    std::vector<SimulatedNode> nodes_;
    std::map<std::string, PathTable> tables_;
    std::priority_queue<Event> events_;
    char keys_ = 0;
    std::uint64_t number_ = 0;
    Instant now_ = began;
    RunSession* session_ = nullptr;
};

}  // namespace

TEST_CASE("a run on three machines starts at one instant and ends with the results of all") {
    Cluster c{3};
    c.node(1).there = 5ms;
    c.node(2).there = 20ms;  // and 1 ms back: T0 is known to half of the round trip
    const RunFinished& result = c.run();
    CHECK_FALSE(result.failed);
    CHECK(result.problems.empty());
    CHECK(result.exit_code == 0);
    CHECK(c.started() == 3);
    CHECK(c.spread() <= 10500us);
    REQUIRE(result.machines.size() == 3);
    // Half the round trip, and what a clock may drift meanwhile.
    CHECK(result.machines[0].clock_error >= 1ms);
    CHECK(result.machines[0].clock_error < 1200us);
    CHECK(result.machines[2].clock_error >= 10500us);
    CHECK(result.machines[2].clock_error < 10700us);
    CHECK(result.control == ControlTraffic{6, 300});
    REQUIRE(result.epochs.size() == 1);
    CHECK(result.epochs[0].late == 20ms);  // the worst of all
    CHECK(c.archive.records.size() == 3);
    // One line a second for all together: at 0, 1 and 2 s.
    std::vector<Progress> shown;
    for (const ControlMessage& m : c.to_cli) {
        if (const auto* progress = std::get_if<Progress>(&m)) shown.push_back(*progress);
    }
    REQUIRE(shown.size() == 3);
    CHECK(shown[1].throughput_bps == 3000);
    CHECK(shown[1].hosts_running == 3);
}

TEST_CASE("each node hears of all others and of the hosts that they have") {
    Cluster c{3};
    c.run();
    REQUIRE(c.node(1).peers.size() == 2);
    const Peer& first = c.node(1).peers[0];
    CHECK(first ==
          Peer{"m1", {"ipc:///m1", {}, {}}, {HostId{0}}, "m1:1", first.way_key, vxlan_of("m1")});
    CHECK(c.node(1).peers[1].hosts == std::vector<HostId>{HostId{2}});
}

TEST_CASE("each pair of machines has a key that only the two are told") {
    Cluster c{3};
    c.run();
    std::set<std::string> keys;
    for (std::size_t i = 0; i < 3; ++i) {
        for (const Peer& peer : c.node(i).peers) {
            keys.insert(peer.way_key);
            CHECK(peer.way_key.size() == 32);
            const auto other = static_cast<std::size_t>(peer.name.back() - '1');
            const auto& back = c.node(other).peers;
            CHECK(std::ranges::find(back, c.node(i).name, &Peer::name)->way_key == peer.way_key);
        }
    }
    CHECK(keys.size() == 3);
}

TEST_CASE("clocks that drift start at one T0, and how far they go apart is told") {
    Cluster c{3};
    c.runs_for = 30s;
    c.node(1).drift = 200e-6;
    c.node(2).drift = -1e-6;
    const RunFinished& result = c.run();
    CHECK_FALSE(result.failed);
    // 6 ms in half a minute, and half a round trip.
    CHECK(result.machines[1].clock_error > 6ms);
    CHECK(result.machines[1].clock_error < 8ms);
    CHECK(result.machines[2].clock_error < 1500us);
    CHECK(c.spread() < 3ms);
    CHECK(c.warned("the clock of machine m2 has gone"));
    CHECK_FALSE(c.warned("the clock of machine m3"));
}

TEST_CASE("a clock that jumps during a run is told") {
    Cluster c{2};
    c.runs_for = 20s;
    c.node(1).jumps = c.began + 10s;
    const RunFinished& result = c.run();
    CHECK(c.warned("the clock of machine m2 jumped"));
    CHECK(result.machines[1].clock_error > 900ms);
    CHECK(result.machines[0].clock_error < 1500us);
}

TEST_CASE("T0 is as far ahead as the farthest node needs") {
    Cluster c{3};
    c.node(2).there = c.node(2).back = 200ms;
    CHECK_FALSE(c.run().failed);
    CHECK(c.started() == 3);
    // Nobody knows that both ways take the same, nor that clocks do not drift.
    CHECK(c.spread() < 200us);
}

TEST_CASE("a T0 that one node refuses is announced anew to all, and nobody starts at the old one") {
    Cluster c{3};
    c.node(1).late_begins = 1;
    c.deadlines.begin = 60s;
    CHECK_FALSE(c.run().failed);
    CHECK(c.started() == 3);
    CHECK(c.spread() <= 1ms);
}

TEST_CASE("a node that refuses every T0 ends the run on all, and nobody has started") {
    Cluster c{3};
    c.node(1).late_begins = 100;
    c.deadlines.begin = 60s;
    const RunFinished& result = c.run();
    CHECK(result.failed);
    CHECK_THAT(result.problems.at(0), Contains("machine m2 refused T0 5 times"));
    CHECK(c.started() == 0);
    CHECK(c.node(0).ended);
    CHECK(c.node(2).ended);
}

TEST_CASE("a node that hears too late that all have accepted fails the run") {
    Cluster c{3};
    c.node(2).late_confirmation = true;
    const RunFinished& result = c.run();
    CHECK(result.failed);
    CHECK(result.problems.at(0) == "machine m3 missed T0: confirmed late");
    CHECK(c.node(0).ended);
}

TEST_CASE("jitter, duplicates and skewed clocks change nothing") {
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        Cluster c{4};
        c.random.seed(seed);
        for (std::size_t i = 0; i < 4; ++i) {
            c.node(i).there = Duration{static_cast<std::int64_t>(c.random() % 30'000'000)};
            c.node(i).back = Duration{static_cast<std::int64_t>(c.random() % 30'000'000)};
            c.node(i).jitter = 10ms;
            c.node(i).twice = seed % 2 == 0;
        }
        const RunFinished& result = c.run();
        INFO("seed " << seed);
        CHECK_FALSE(result.failed);
        CHECK(c.started() == 4);
        Duration bound{};
        for (const MachineResult& machine : result.machines) {
            bound = std::max(bound, machine.clock_error);
        }
        CHECK(c.spread() <= 2 * bound);
    }
}

TEST_CASE("a node may die at any message: the run ends in bounded time and names it") {
    for (const bool told : {true, false}) {
        // OpenWay, PrepareRun, an epoch, eight pings, Begin, ConfirmBegin, and pings during the
        // run.
        for (std::size_t hears = 0; hears < 14; ++hears) {
            Cluster c{3};
            c.connections_tell = told;
            c.node(1).hears = hears;
            const RunFinished& result = c.run();
            INFO("after " << hears << " messages, told " << told);
            CHECK(result.failed);
            std::string problems;
            for (const std::string& problem : result.problems) problems += problem + "\n";
            CHECK_THAT(problems, Contains("m2"));
            CHECK(result.machines.size() == 3);
            if (hears == 0) {  // nobody has a run yet
                CHECK(c.started() == 0);
                continue;
            }
            CHECK(result.exit_code == kExitMachineLost);
            CHECK(c.node(0).ended);
            CHECK(c.node(2).ended);
            // Either nobody has started, or all that live.
            CHECK((c.started() == 0 || c.started() >= 2));
        }
    }
}

TEST_CASE("a node that is lost during the run leaves it to the others") {
    Cluster c{3};
    c.runs_for = 8s;
    c.node(1).mute_from = c.began + 2s;
    c.node(1).mute_until = c.began + 1h;
    c.deadlines.silence = 3s;
    const RunFinished& result = c.run();
    CHECK(c.warned("machine m2 gives no sign of life since 3 s"));
    CHECK(result.failed);
    CHECK(result.exit_code == kExitMachineLost);
    CHECK(result.problems ==
          std::vector<std::string>{"waited in vain for machine m2 to end the run within 15 s"});
    CHECK(c.archive.records.size() == 2);  // the others' logs are kept
    CHECK(result.control == ControlTraffic{4, 200});
}

TEST_CASE("a partition of the control network that heals costs nothing") {
    Cluster c{3};
    c.runs_for = 20s;
    c.node(1).mute_from = c.began + 2s;
    c.node(1).mute_until = c.began + 12s;
    c.deadlines.silence = 5s;
    const RunFinished& result = c.run();
    CHECK(c.warned("machine m2 gives no sign of life"));
    CHECK(c.warned("machine m2 is back"));
    CHECK_FALSE(result.failed);
    CHECK(result.exit_code == 0);
}

TEST_CASE("when no machine gives a sign of life any more, the run ends") {
    Cluster c{2};
    c.runs_for = 50min;
    for (std::size_t i = 0; i < 2; ++i) {
        c.node(i).mute_from = c.began + 2s;
        c.node(i).mute_until = c.began + 2h;
    }
    const RunFinished& result = c.run();
    CHECK(result.problems.at(0) == "waited in vain for a sign of life of machines m1, m2 for 10 s");
    CHECK(result.exit_code == kExitMachineLost);
}

TEST_CASE("machines that do not come are named") {
    Cluster c{3};
    c.node(0).back = 1h;
    c.node(2).back = 1h;
    const RunFinished& result = c.run();
    CHECK(result.problems ==
          std::vector<std::string>{"waited in vain for machines m1, m3 to say hello within 10 s"});
}
