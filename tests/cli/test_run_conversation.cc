#include <catch2/catch.hpp>

#include "cli/run_conversation.hh"
#include "tests/cli/world.hh"

namespace pleat {
namespace {

using namespace std::chrono_literals;
using Catch::Matchers::Contains;

constexpr Instant kStart{1h};

// A conversation whose other side is the test.
struct Talk {
    explicit Talk(OutputStyle style = {}) : captured{style} {}

    testing::Captured captured;
    Submit submit = testing::small_submit();
    std::vector<ControlMessage> said;
    RunConversation conversation{
        submit, RunDeadlines{.submitting = 60s, .preparing = 60s, .running = 60s, .stopping = 30s},
        [this](const ControlMessage& m) { said.push_back(m); }, captured.output};

    template <typename T>
    bool last_said() const {
        return !said.empty() && std::holds_alternative<T>(said.back());
    }

    void until_running() {
        conversation.begin(kStart);
        conversation.receive(Submitted{.run = "r-7f3a",
                                       .hosts = 2,
                                       .bridges = 1,
                                       .links = 4,
                                       .epochs = 1,
                                       .paths = 2,
                                       .took = 10ms},
                             kStart + 1s);
        conversation.receive(Stage{"hosts", "2/2 ready (data plane: tun)"}, kStart + 2s);
        conversation.receive(Stage{"begin", ""}, kStart + 2s);
    }
};

TEST_CASE("a run is submitted, started, watched and finished") {
    Talk talk;
    talk.conversation.begin(kStart);
    REQUIRE(talk.last_said<Submit>());
    talk.conversation.receive(Submitted{.run = "r-7f3a",
                                        .hosts = 2,
                                        .bridges = 1,
                                        .links = 4,
                                        .epochs = 1,
                                        .paths = 2,
                                        .took = 10ms},
                              kStart + 1s);
    REQUIRE(talk.last_said<StartRun>());
    talk.conversation.receive(Stage{"hosts", "2/2 ready (data plane: tun)"}, kStart + 1100ms);
    talk.conversation.receive(Stage{"begin", ""}, kStart + 1200ms);
    talk.conversation.receive(Stage{"collect", "2 logs"}, kStart + 91s);
    CHECK_FALSE(talk.conversation.over());
    talk.conversation.receive(testing::small_results(), kStart + 91200ms);
    CHECK(talk.conversation.over());
    REQUIRE(talk.conversation.finished());
    CHECK_FALSE(talk.conversation.finished()->interrupted);
    CHECK(talk.conversation.took() == 90s);
    CHECK(talk.captured.data.empty());
    CHECK_THAT(talk.captured.notes,
               Contains("topology   2 hosts, 1 bridge, 2 links, 1 epoch, 2 paths") &&
                   Contains("hosts      2/2 ready (data plane: tun)") && Contains("0.1s") &&
                   Contains("collect    2 logs"));
}

TEST_CASE("a refusal ends the conversation with the controller's words") {
    Talk talk;
    talk.conversation.begin(kStart);
    talk.conversation.receive(Refused{"two hosts have the same address"}, kStart + 1s);
    CHECK(talk.conversation.over());
    CHECK_FALSE(talk.conversation.finished());
    CHECK(talk.conversation.aborted().code == ExitCode::failed);
    CHECK(talk.conversation.aborted().message == "two hosts have the same address");
}

TEST_CASE("each wait has an end that says what was waited for") {
    SECTION("for an answer to the topology") {
        Talk talk;
        talk.conversation.begin(kStart);
        talk.conversation.tick(kStart + 59s);
        CHECK_FALSE(talk.conversation.over());
        talk.conversation.tick(kStart + 60s);
        REQUIRE(talk.conversation.over());
        CHECK(talk.conversation.aborted().code == ExitCode::controller_unreachable);
        CHECK_THAT(talk.conversation.aborted().message,
                   Contains("waited 1m00s for the controller to accept the topology"));
    }
    SECTION("for the hosts") {
        Talk talk;
        talk.conversation.begin(kStart);
        talk.conversation.receive(Submitted{}, kStart);
        talk.conversation.tick(kStart + 89s);
        CHECK_FALSE(talk.conversation.over());
        talk.conversation.tick(kStart + 90s);
        CHECK_THAT(talk.conversation.aborted().message, Contains("for the hosts to be ready"));
    }
    SECTION("for progress, counted from the last one") {
        Talk talk;
        talk.until_running();
        talk.conversation.receive(Progress{}, kStart + 40s);
        talk.conversation.tick(kStart + 99s);
        CHECK_FALSE(talk.conversation.over());
        talk.conversation.tick(kStart + 100s);
        CHECK_THAT(talk.conversation.aborted().message, Contains("a sign of life"));
    }
    SECTION("for the end after an interrupt, whatever is still said") {
        Talk talk;
        talk.until_running();
        talk.conversation.interrupt("interrupted", kStart + 10s);
        talk.conversation.receive(Progress{}, kStart + 39s);
        talk.conversation.tick(kStart + 40s);
        REQUIRE(talk.conversation.over());
        CHECK(talk.conversation.aborted().code == ExitCode::interrupted);
        CHECK_THAT(talk.conversation.aborted().message, Contains("for the run to end"));
    }
}

TEST_CASE("the first interrupt asks for a clean end") {
    Talk talk;
    talk.until_running();
    talk.conversation.interrupt("interrupted", kStart + 10s);
    REQUIRE(talk.last_said<StopRun>());
    CHECK_FALSE(talk.conversation.over());
    talk.conversation.receive(testing::small_results(), kStart + 12s);
    REQUIRE(talk.conversation.finished());
    CHECK(talk.conversation.finished()->interrupted);
    CHECK_FALSE(talk.conversation.impatient());
}

TEST_CASE("the second interrupt does not wait") {
    Talk talk;
    talk.until_running();
    talk.conversation.interrupt("interrupted", kStart + 10s);
    talk.conversation.interrupt("interrupted", kStart + 11s);
    CHECK(talk.conversation.over());
    CHECK(talk.conversation.impatient());
    CHECK(talk.conversation.aborted().code == ExitCode::interrupted);
}

TEST_CASE("an interrupt before the topology was accepted has nothing to wait for") {
    Talk talk;
    talk.conversation.begin(kStart);
    talk.conversation.interrupt("terminated", kStart + 1s);
    CHECK(talk.conversation.over());
    CHECK_FALSE(talk.conversation.impatient());
    CHECK(talk.conversation.aborted().code == ExitCode::interrupted);
}

TEST_CASE("progress shows time, epoch, rate and what comes next") {
    Talk talk{OutputStyle{.terminal = true, .width = 200}};
    talk.until_running();
    talk.conversation.receive(Progress{.at = ExperimentTime{34s},
                                       .epoch = EpochId{1},
                                       .throughput_bps = 58'900'000,
                                       .hosts_ready = 2,
                                       .hosts_running = 2},
                              kStart + 36s);
    CHECK_THAT(talk.captured.notes, Contains("running    00:34 / 01:30   epoch 1   58.9 Mbit/s") &&
                                        Contains("next 60s: mark half"));
}

TEST_CASE("a death of a process ends the conversation once") {
    Talk talk;
    talk.until_running();
    talk.conversation.abort(ExitCode::failed, "the node was killed by signal 9");
    talk.conversation.abort(ExitCode::failed, "the controller exited with code 1");
    CHECK(talk.conversation.aborted().message == "the node was killed by signal 9");
    talk.conversation.receive(testing::small_results(), kStart + 12s);
    CHECK_FALSE(talk.conversation.finished());
}

TEST_CASE("what the node lacked decides the exit code of a failed run") {
    Talk talk;
    talk.until_running();
    RunFinished finished = testing::small_results();
    finished.failed = true;
    finished.exit_code = 8;
    talk.conversation.receive(finished, kStart + 4s);
    CHECK(talk.conversation.finished()->exit_code == 8);
}

TEST_CASE("messages that are for others change nothing") {
    Talk talk;
    talk.conversation.begin(kStart);
    talk.conversation.receive(Hello{}, kStart);
    talk.conversation.receive(Begin{}, kStart);
    CHECK_FALSE(talk.conversation.over());
    CHECK(talk.said.size() == 1);
}

TEST_CASE("a controller that is there again is asked for the run, and for its end once more") {
    Talk talk;
    talk.until_running();
    CHECK(talk.conversation.survives_controller());
    SECTION("under way") {
        talk.conversation.reconnected(kStart + 50s);
        REQUIRE(talk.last_said<Watch>());
        CHECK(std::get<Watch>(talk.said.back()).own);
        talk.conversation.tick(kStart + 100s);
        CHECK_FALSE(talk.conversation.over());
    }
    SECTION("stopping") {
        talk.conversation.interrupt("interrupted", kStart + 3s);
        talk.conversation.reconnected(kStart + 4s);
        CHECK(talk.last_said<StopRun>());
    }
    SECTION("over") {
        talk.conversation.receive(testing::small_results(), kStart + 91s);
        const std::size_t said = talk.said.size();
        talk.conversation.reconnected(kStart + 92s);
        CHECK(talk.said.size() == said);
    }
}

TEST_CASE("a controller that ends before it has the topology ends the conversation") {
    Talk talk;
    talk.conversation.begin(kStart);
    CHECK_FALSE(talk.conversation.survives_controller());
    talk.conversation.reconnected(kStart + 1s);
    CHECK(talk.conversation.over());
    CHECK_THAT(talk.conversation.aborted().message, Contains("before it had taken the topology"));
}

}  // namespace
}  // namespace pleat
