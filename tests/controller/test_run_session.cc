// The life of a run, told by hand: messages and instants go in, messages come out.
#include <algorithm>

#include <catch2/catch.hpp>

#include "controller/run_session.hh"
#include "tests/controller/plans.hh"

using namespace pleat;
using namespace pleat::testing;
using namespace std::chrono_literals;
using Catch::Contains;

namespace {

// But for what clocks may drift (500 ppm) until T0.
bool near(Instant a, Instant b, Duration lead) {
    return std::chrono::abs(a - b) < lead / 2000;
}

struct FakeArchive final : RunArchive {
    std::vector<LogRecord> records;
    std::vector<RunFinished> finished;
    std::string data_plane;
    bool has_begun = false;
    bool disk_full = false;

    Result<void> outcome() const {
        if (disk_full) return fail("run.db: disk full");
        return {};
    }

    Result<void> prepared(const std::string& plane) override {
        data_plane = plane;
        return outcome();
    }

    Result<void> under_way(const RunFinished&) override {
        has_begun = true;
        return outcome();
    }

    Result<void> add(const std::string&, const LogRecord& record) override {
        records.push_back(record);
        return outcome();
    }

    Result<void> add_output(const OutputChunk&) override { return {}; }

    Result<void> finish(const RunFinished& results) override {
        finished.push_back(results);
        return outcome();
    }
};

// A session, its clock, and a node whose clock is an hour ahead.
struct World {
    Instant now{1000s};
    RunPlan plan = dumbbell_plan("r-1", "/tmp/r-1");
    FakeArchive archive;
    std::vector<ControlMessage> to_cli;
    std::vector<ControlMessage> to_node;
    RunSession session{
        plan,
        {},
        {.to_cli = [this](const ControlMessage& m) { to_cli.push_back(m); },
         .to_node = [this](const std::string&, const ControlMessage& m) { to_node.push_back(m); },
         .fresh_key = [] { return std::string(32, 'k'); }},
        archive,
        now};
    Duration ahead = 1h;

    // Was this the last thing that was said?
    template <typename Message>
    bool last_to_node_is() const {
        return !to_node.empty() && std::holds_alternative<Message>(to_node.back());
    }

    template <typename Message>
    const Message& last_to_node() const {
        return std::get<Message>(to_node.at(to_node.size() - 1));
    }

    template <typename Message>
    const Message& last_to_cli() const {
        return std::get<Message>(to_cli.at(to_cli.size() - 1));
    }

    void node_says(const ControlMessage& message) { session.receive("local", message, now); }

    void wait(Duration duration) {
        now += duration;
        session.tick(now);
    }

    void start() { session.start({Hello{"local", "0", 1, {}}}, now); }

    void acknowledge(std::uint32_t epoch) {
        node_says(Prepared{
            .version = 1, .epoch = EpochId{epoch}, .hash = table_hashes(plan.epochs)[epoch]});
    }

    void prepare() {
        start();
        for (std::uint32_t epoch = 0; epoch < 3; ++epoch) acknowledge(epoch);
        node_says(HostsReady{.hosts = 2, .data_plane = "tun"});
    }

    // Answers pings, each after `rtt`, until T0 is announced.
    void answer_pings(Duration rtt) {
        while (last_to_node_is<ClockPing>()) {
            const ClockPing asked = last_to_node<ClockPing>();
            now += rtt;
            node_says(ClockPong{
                .sequence = asked.sequence, .ping_sent = asked.sent, .at = now - rtt / 2 + ahead});
        }
    }

    void begin() {
        prepare();
        answer_pings(1ms);
        node_says(BeginAccepted{std::get<Begin>(to_node.back()).t0});
    }

    void node_ends(RunEnded ended = run_ended("its duration is over"), std::string log = {}) {
        node_says(std::move(ended));
        const std::uint64_t size = log.size();
        if (!log.empty()) node_says(LogChunk{.offset = 0, .bytes = std::move(log)});
        node_says(LogEnd{size});
    }

    const RunFinished& result() const {
        REQUIRE(session.finished());
        REQUIRE(archive.finished.size() == 1);
        return last_to_cli<RunFinished>();
    }

    std::string problem() const {
        REQUIRE(result().problems.size() == 1);
        return result().problems[0];
    }
};

}  // namespace

TEST_CASE("a run goes from start to its results") {
    World w;
    w.start();
    REQUIRE(w.to_node.size() == 3);
    CHECK(std::get<PrepareRun>(w.to_node[0]) == first_push(w.plan, w.plan.parts[0], {}));
    CHECK(std::get<PrepareEpoch>(w.to_node[1]).delta == w.plan.epochs.epochs[1].delta);
    CHECK(std::get<PrepareEpoch>(w.to_node[2]).delta == w.plan.epochs.epochs[2].delta);
    for (std::uint32_t epoch = 0; epoch < 3; ++epoch) w.acknowledge(epoch);
    w.node_says(HostsReady{.hosts = 2, .data_plane = "tun"});
    CHECK(w.last_to_cli<Stage>() == Stage{"hosts", "2/2 ready (data plane: tun)"});
    CHECK(w.archive.data_plane == "tun");
    w.answer_pings(1ms);
    w.node_says(BeginAccepted{std::get<Begin>(w.to_node.back()).t0});
    CHECK(w.last_to_cli<Stage>().name == "begin");
    CHECK(w.archive.has_begun);

    const Progress progress{ExperimentTime{1s}, EpochId{1}, 5, 2, 2};
    w.node_says(progress);
    CHECK(w.last_to_cli<Progress>() == progress);

    const FlowKey flow{HostId{0}, HostId{1}};
    const ExperimentTime second{1s};
    std::string log;
    log += framed(EventRecord{second, second + 40us, EpochId{1}, "set s1->s2 10Mbps"});
    log += framed(SampleRecord{second, flow, 100, 90, 1000});
    log += framed(SampleRecord{second + 100ms, flow, 100, 95, 2000});
    RunEnded ended = run_ended("over");
    ended.control = {13, 412};
    w.node_ends(ended, log);
    const RunFinished& result = w.result();
    CHECK(result.run == "r-1");
    CHECK_FALSE(result.failed);
    CHECK_FALSE(result.interrupted);
    CHECK(result.problems.empty());
    CHECK(result.data_plane == "tun");
    CHECK(result.hosts.size() == 1);
    CHECK(result.control == ControlTraffic{13, 412});
    REQUIRE(result.epochs.size() == 1);
    CHECK(result.epochs[0] == EpochResult{EpochId{1}, second, 40us, {"set s1->s2 10Mbps"}});
    REQUIRE(result.flows.size() == 1);
    CHECK(result.flows[0] == FlowSeries{flow, {second, second + 100ms}, {100, 100}, {90, 95}});
    CHECK(w.archive.records.size() == 3);
}

TEST_CASE("T0 is at least 100 ms and four round trips ahead, on the node's clock") {
    for (const auto& [rtt, lead] : {std::pair<Duration, Duration>{1ms, 100ms}, {50ms, 200ms}}) {
        World w;
        w.prepare();
        w.answer_pings(rtt);
        CHECK(near(std::get<Begin>(w.to_node.back()).t0, w.now + lead + w.ahead, lead));
    }
}

TEST_CASE("the clock's offset is that of the quickest exchange") {
    World w;
    w.prepare();
    for (std::uint32_t i = 0; i < ClockMeasurement::kExchanges; ++i) {
        const auto ping = std::get<ClockPing>(w.to_node.back());
        // Slow exchanges are lopsided: all their delay is on the way back.
        const Duration slow = i == 3 ? 0ms : 20ms;
        w.now += 1ms + slow;
        w.node_says(ClockPong{ping.sequence, ping.sent, w.now - slow - 500us + w.ahead});
    }
    // Within what the quickest exchange leaves open, and what clocks may drift till T0.
    const Instant t0 = std::get<Begin>(w.to_node.back()).t0;
    CHECK(std::chrono::abs(t0 - (w.now + 100ms + w.ahead)) < 600us);
}

TEST_CASE("a refused T0 is announced anew, further ahead, a few times") {
    World w;
    w.prepare();
    w.answer_pings(1ms);
    Duration lead = 100ms;
    for (int i = 0; i < 5; ++i) {
        CHECK(near(std::get<Begin>(w.to_node.back()).t0, w.now + lead + w.ahead, lead));
        lead *= 2;
        w.now += 150ms;
        w.node_says(BeginRefused{std::get<Begin>(w.to_node.back()).t0, "too late"});
    }
    CHECK(std::get<EndRun>(w.to_node.back()).reason == "the node refused T0 5 times: too late");
    w.node_ends();
    CHECK(w.result().failed);
}

TEST_CASE("an acceptance of an earlier T0 does not count") {
    World w;
    w.prepare();
    w.answer_pings(1ms);
    const Instant earlier = std::get<Begin>(w.to_node.back()).t0;
    w.node_says(BeginRefused{earlier, "too late"});
    w.node_says(BeginRefused{earlier, "too late"});  // twice is once
    w.node_says(BeginAccepted{earlier});
    CHECK_FALSE(w.archive.has_begun);
    w.node_says(BeginAccepted{std::get<Begin>(w.to_node.back()).t0});
    CHECK(w.archive.has_begun);
}

TEST_CASE("pongs that nobody waits for change nothing") {
    World w;
    w.prepare();
    const auto ping = std::get<ClockPing>(w.to_node.back());
    w.node_says(ClockPong{0xffffffff, ping.sent, {}});
    w.node_says(ClockPong{ping.sequence, w.now + 1s, {}});
    CHECK(w.to_node.back() == ControlMessage{ping});
    w.answer_pings(1ms);
    CHECK(near(std::get<Begin>(w.to_node.back()).t0, w.now + 100ms + w.ahead, 100ms));
}

TEST_CASE("a table with a wrong hash fails the run") {
    World w;
    w.start();
    w.acknowledge(0);
    w.node_says(Prepared{.version = 1, .epoch = EpochId{1}, .hash = 7});
    CHECK(w.last_to_node_is<EndRun>());
    w.node_ends();
    CHECK_THAT(w.problem(), Contains("the node's path table of epoch 1 has the hash"));
}

TEST_CASE("each wait ends with a text that says what was waited for") {
    World w;
    SECTION("for the start") {
        w.wait(60s);
        CHECK(w.problem() == "waited in vain for the run to be started within 60 s");
        return;
    }
    SECTION("for a node") {
        w.session.start({}, w.now);
        w.wait(9s);
        CHECK_FALSE(w.session.finished());
        w.wait(1s);
        CHECK(w.problem() == "waited in vain for a node to say hello within 10 s");
        CHECK(w.to_node.empty());
        return;
    }
    SECTION("for tables") {
        w.start();
        w.wait(29s);
        w.acknowledge(0);  // prolongs it
        w.wait(29s);
        CHECK_FALSE(w.last_to_node_is<EndRun>());
        w.wait(1s);
        CHECK_THAT(w.last_to_node<EndRun>().reason, Contains("to prepare path tables"));
    }
    SECTION("for hosts") {
        w.start();
        for (std::uint32_t epoch = 0; epoch < 3; ++epoch) w.acknowledge(epoch);
        w.wait(39s);
        CHECK_FALSE(w.last_to_node_is<EndRun>());
        w.wait(1s);
        CHECK(w.last_to_node<EndRun>().reason ==
              "waited in vain for all hosts to be ready within 40 s");
    }
    SECTION("for a pong") {
        w.prepare();
        w.wait(5s);
        CHECK_THAT(w.last_to_node<EndRun>().reason, Contains("the node to tell its clock"));
    }
    SECTION("for T0 to be accepted") {
        w.prepare();
        w.answer_pings(1ms);
        w.wait(6s);
        CHECK_THAT(w.last_to_node<EndRun>().reason, Contains("the node to accept T0"));
    }
    SECTION("for a sign of life") {
        w.begin();
        w.node_says(Progress{});
        w.wait(9s);
        w.node_says(Progress{});
        w.wait(9s);
        CHECK_FALSE(w.last_to_node_is<EndRun>());
        w.wait(1s);
        CHECK_THAT(w.last_to_node<EndRun>().reason, Contains("a sign of life of the node"));
    }
    SECTION("for the end, of a node that goes on and on") {
        w.begin();
        for (int i = 0; i < 40; ++i) {
            w.node_says(Progress{});
            w.wait(1s);
        }
        CHECK_THAT(w.last_to_node<EndRun>().reason,
                   Contains("the run to end within 33 s of its start"));
    }
    // Whatever it was, the node is asked to end, and when it does not answer:
    CHECK_FALSE(w.session.finished());
    w.wait(15s);
    CHECK(w.result().failed);
    CHECK_FALSE(w.result().interrupted);
    REQUIRE(w.result().problems.size() == 2);
    CHECK(w.result().problems[1] == "waited in vain for the node to end the run within 15 s");
}

TEST_CASE("a log that does not come ends the wait, with what there is") {
    World w;
    w.begin();
    w.node_says(run_ended("over"));
    w.node_says(LogChunk{.offset = 0, .bytes = framed(TotalsRecord{"packets", 1})});
    w.wait(30s);
    CHECK(w.problem() == "waited in vain for the node's log within 30 s");
    CHECK(w.result().hosts.size() == 1);
    CHECK(w.archive.records.size() == 1);
}

TEST_CASE("a stop ends the run in any state, as interrupted") {
    World w;
    SECTION("before it was started") {
        w.session.stop("interrupted", w.now);
    }
    SECTION("before there was a node") {
        w.session.start({}, w.now);
        w.session.stop("interrupted", w.now);
    }
    SECTION("while tables are prepared") {
        w.start();
        w.session.stop("interrupted", w.now);
        w.acknowledge(0);
        w.node_ends(run_ended("interrupted", true));
    }
    SECTION("while clocks are measured") {
        w.prepare();
        w.session.stop("interrupted", w.now);
        w.answer_pings(1ms);
        CHECK(std::get<EndRun>(w.to_node.back()) == EndRun{"interrupted", true});
        w.node_ends();
    }
    SECTION("while T0 is announced") {
        w.prepare();
        w.answer_pings(1ms);
        w.session.stop("interrupted", w.now);
        w.node_says(BeginAccepted{});
        w.node_ends();
    }
    SECTION("while it runs") {
        w.begin();
        w.session.stop("interrupted", w.now);
        w.session.stop("interrupted", w.now);  // twice is once
        w.node_ends();
    }
    CHECK(w.result().interrupted);
    CHECK_FALSE(w.result().failed);
    CHECK(w.result().problems.empty());
}

TEST_CASE("a lost node ends the run at once, as failed") {
    World w;
    w.begin();
    w.session.node_lost("local", "its connection is closed", w.now);
    CHECK(w.problem() == "the node is lost: its connection is closed");
    CHECK(w.result().failed);
    // Nothing more is said.
    const std::size_t said = w.to_cli.size();
    w.node_ends();
    w.wait(1h);
    w.session.stop("interrupted", w.now);
    CHECK(w.to_cli.size() == said);
}

TEST_CASE("a node that can't prepare the run fails it, and the command line hears why") {
    World w;
    w.start();
    const NodeFailed failed{.message = "no /dev/net/tun", .exit_code = 8};
    w.node_says(failed);
    CHECK(w.problem() == "no /dev/net/tun");
    CHECK(w.result().exit_code == 8);
    CHECK(std::ranges::count(w.to_cli, ControlMessage{failed}) == 1);
}

TEST_CASE("a node that fails later is asked to end") {
    World w;
    w.begin();
    w.node_says(NodeFailed{.message = "out of memory"});
    CHECK(w.last_to_node<EndRun>().reason == "out of memory");
    w.node_ends();
    CHECK(w.result().failed);
    CHECK(w.problem() == "out of memory");
}

TEST_CASE("a run that ends before T0 has failed") {
    World w;
    w.start();
    w.acknowledge(0);
    w.node_ends(run_ended("all hosts have ended"));
    CHECK(w.problem() == "the run ended before T0: all hosts have ended");
}

TEST_CASE("a damaged or incomplete log fails the run, and what came before is kept") {
    World w;
    w.begin();
    std::string log = framed(TotalsRecord{"packets", 1});
    SECTION("a piece is missing") {
        w.node_says(run_ended("over"));
        w.node_says(LogChunk{.offset = 0, .bytes = log});
        w.node_says(LogChunk{.offset = log.size() + 1, .bytes = log});
        for (int asked = 0; asked < 5; ++asked) {
            w.node_says(LogEnd{2 * log.size() + 1});
            CHECK(w.last_to_node<Collect>().offset == log.size());
        }
        w.node_says(LogEnd{2 * log.size() + 1});
        CHECK_THAT(w.problem(), Contains("the node's log is not complete"));
    }
    SECTION("the end is missing") {
        w.node_says(run_ended("over"));
        w.node_says(LogChunk{.offset = 0, .bytes = log + "half"});
        for (int asked = 0; asked < 6; ++asked) w.node_says(LogEnd{1000});
        CHECK_THAT(w.problem(), Contains("the node's log is not complete"));
    }
    SECTION("a bit is wrong") {
        std::string wrong = log;
        wrong.back() ^= 1;
        w.node_ends(run_ended("over"), log + wrong + log);
        CHECK_THAT(w.problem(), Contains("wrong check sum"));
    }
    CHECK(w.result().failed);
    CHECK(w.archive.records.size() == 1);
}

TEST_CASE("a full disk fails the run at its end, once, and never ends it before") {
    World w;
    w.archive.disk_full = true;
    w.begin();
    w.node_says(Progress{});
    CHECK_FALSE(w.session.finished());
    w.node_ends(run_ended("over"), framed(TotalsRecord{"packets", 1}));
    CHECK(w.result().failed);
    CHECK(w.problem() == "run.db: disk full");
}

TEST_CASE("what a node should not say is ignored in every state") {
    const std::vector<ControlMessage> odd{Shutdown{},       StartRun{"r-1"}, Begin{},
                                          Hello{},          RunFinished{},   BeginAccepted{},
                                          BeginRefused{},   ClockPong{},     HostsReady{},
                                          LogChunk{3, "x"}, LogEnd{1},       Refused{}};
    World w;
    const auto say_all = [&] {
        for (const ControlMessage& message : odd) {
            if (!std::holds_alternative<HostsReady>(message)) w.node_says(message);
        }
        CHECK_FALSE(w.session.finished());
    };
    say_all();
    w.start();
    say_all();
    w.acknowledge(0);
    w.acknowledge(0);  // twice is once
    w.acknowledge(1);
    CHECK_FALSE(w.last_to_node_is<ClockPing>());
    w.node_says(HostsReady{.hosts = 2, .data_plane = "tun"});
    w.acknowledge(2);
    REQUIRE(w.last_to_node_is<ClockPing>());
    w.answer_pings(1ms);
    w.node_says(HostsReady{});
    w.node_says(BeginAccepted{std::get<Begin>(w.to_node.back()).t0});
    say_all();
    w.node_says(LogEnd{0});
    CHECK_FALSE(w.session.finished());
    w.node_ends();
    CHECK_FALSE(w.result().failed);
}

TEST_CASE("too many samples for a message are left to run.db") {
    ResultCollector collector;
    const FlowKey flow{HostId{0}, HostId{1}};
    for (std::uint64_t i = 0; i <= ResultCollector::kMostSamples; ++i) {
        collector.add(SampleRecord{ExperimentTime{}, flow, 1, 1, 1});
    }
    RunFinished results;
    collector.give(results, {});
    CHECK(results.flows.empty());
    CHECK(collector.samples() == ResultCollector::kMostSamples + 1);
}

TEST_CASE("pieces of a log that come twice, or anew after a gap, are taken once") {
    World w;
    w.begin();
    const std::string log = framed(TotalsRecord{"packets", 1}) + framed(TotalsRecord{"bytes", 2});
    w.node_says(run_ended("over"));
    w.node_says(LogChunk{.offset = 0, .bytes = log.substr(0, 20)});
    w.node_says(LogChunk{.offset = 30, .bytes = log.substr(30)});  // what is between is lost
    w.node_says(LogEnd{log.size()});
    CHECK(w.last_to_node<Collect>().offset == 20);
    w.node_says(run_ended("over"));
    w.node_says(LogChunk{.offset = 0, .bytes = log});
    w.node_says(LogEnd{log.size()});
    CHECK(w.archive.records ==
          std::vector<LogRecord>{TotalsRecord{"packets", 1}, TotalsRecord{"bytes", 2}});
    CHECK_FALSE(w.result().failed);
    CHECK(w.last_to_node_is<Forget>());
}

// A session that was made for a run that another one had begun.
TEST_CASE("a session resumes a run by what its node says of it") {
    World w;
    RunFinished so_far;
    so_far.run = "r-1";
    so_far.data_plane = "tun";
    so_far.machines = {{.name = "local", .data_plane = "tun", .control = {}, .clock_error = 7us}};
    w.session.resume(so_far, w.now);
    Hello hello{"local", "0", 1, {}};
    SECTION("under way: progress is heard, the end is collected") {
        hello.runs = {{"r-1", HeldRun::Stage::under_way, ExperimentTime{3s}}};
        w.session.node_arrived(hello, w.now);
        w.node_says(Progress{ExperimentTime{3s}, EpochId{0}, 0, 2, 2});
        CHECK(w.last_to_cli<Progress>().at == ExperimentTime{3s});
        // What T0 was on its clock nobody knows any more: it is followed from here on.
        for (int i = 0; i < 40; ++i) {
            w.now += 1s;
            w.node_says(Progress{ExperimentTime{4s}, EpochId{0}, 0, 2, 2});
            const auto ping = w.last_to_node<ClockPing>();
            w.node_says(ClockPong{ping.sequence, ping.sent, w.now + 96h});
        }
        CHECK(w.last_to_cli<Progress>().at == ExperimentTime{4s});
        const auto warned = [&w] {
            return std::ranges::any_of(w.to_cli, [](const ControlMessage& m) {
                const auto* stage = std::get_if<Stage>(&m);
                return stage != nullptr &&
                       stage->text.find("from ours since T0") != std::string::npos;
            });
        };
        CHECK_FALSE(warned());
        for (int i = 1; i <= 40; ++i) {
            w.now += 1s;
            w.node_says(Progress{ExperimentTime{4s}, EpochId{0}, 0, 2, 2});
            const auto ping = w.last_to_node<ClockPing>();
            w.node_says(ClockPong{ping.sequence, ping.sent, w.now + 96h + i * 200us});
        }
        CHECK(warned());
        w.node_ends(run_ended("over"));
        CHECK_FALSE(w.result().failed);
        CHECK(w.result().data_plane == "tun");
        // What was known before, and 40 times 200 us.
        CHECK(w.result().machines.at(0).clock_error >= 8ms);
        CHECK(w.result().machines.at(0).clock_error < 9ms);
    }
    SECTION("ended: it is asked how") {
        hello.runs = {{"r-1", HeldRun::Stage::ended, {}}};
        w.session.node_arrived(hello, w.now);
        CHECK(w.last_to_node<Collect>().offset == 0);
        w.node_ends(run_ended("over"));
        CHECK_FALSE(w.result().failed);
    }
    SECTION("stopped before the node was there: it is told") {
        w.session.stop("interrupted", w.now);
        hello.runs = {{"r-1", HeldRun::Stage::under_way, ExperimentTime{3s}}};
        w.session.node_arrived(hello, w.now);
        CHECK(w.last_to_node<EndRun>().interrupted);
    }
    SECTION("not known to it any more: it is lost") {
        w.session.node_arrived(hello, w.now);
        CHECK(w.result().exit_code == kExitMachineLost);
        CHECK_THAT(w.problem(), Contains("started anew"));
    }
    SECTION("never confirmed: the run fails") {
        hello.runs = {{"r-1", HeldRun::Stage::before_t0, {}}};
        w.session.node_arrived(hello, w.now);
        CHECK(w.last_to_node_is<EndRun>());
        w.node_ends(run_ended("over"));
        CHECK_THAT(w.problem(), Contains("was not told T0"));
    }
    SECTION("no node comes: the run ends, in bounded time") {
        w.wait(29s);
        CHECK_FALSE(w.session.finished());
        w.wait(1s);
        w.wait(15s);
        CHECK(w.result().exit_code == kExitMachineLost);
    }
}
