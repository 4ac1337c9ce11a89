// Joining a controller over TCP, and what each key may do. Over real sockets on the
// loopback; every wait has a deadline.
#include <thread>

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <sys/stat.h>

#include "base/log.hh"
#include "controller/daemon.hh"
#include "controller/members.hh"
#include "tests/controller/plans.hh"
#include "tests/wire/temporary_directory.hh"
#include "wire/control_socket.hh"
#include "wire/membership.hh"

using namespace pleat;
using namespace pleat::testing;
using namespace std::chrono_literals;
using Catch::Contains;

namespace {

// Someone who talks to the controller.
struct Caller {
    Caller(boost::asio::io_context& loop, const std::string& endpoint,
           std::optional<Pass> pass = {}, const std::string& name = {})
        : client{loop, endpoint,
                 [this](const Sender&, ControlMessage m) { told.push_back(std::move(m)); }, name,
                 ClientConnection{.pass = std::move(pass),
                                  .connected = [this] { connected = true; },
                                  .refused = [this](const std::string&) { refused = true; }}} {}

    template <typename Message>
    const Message* heard() const {
        for (const ControlMessage& message : told) {
            if (const auto* found = std::get_if<Message>(&message)) return found;
        }
        return nullptr;
    }

    std::vector<ControlMessage> told;
    bool connected = false;
    bool refused = false;
    ControlClient client;
};

struct World {
    World() {
        log::silence();
        open("tcp://127.0.0.1:*");
    }

    void open(const std::string& tcp) {
        daemon = std::make_unique<ControllerDaemon>(
            loop, ControllerOptions{{local, tcp}, state, {}}, [] {});
        remote = daemon->endpoints()[1];
        admin = std::make_unique<Caller>(loop, local);
    }

    bool until(const std::function<bool()>& condition) {
        const Instant deadline = monotonic_now() + 20s;
        while (!condition()) {
            if (monotonic_now() > deadline) return false;
            loop.run_one_for(10ms);
        }
        return true;
    }

    template <typename Answer>
    Answer ask(Caller& caller, const ControlMessage& question) {
        caller.told.clear();
        caller.client.send(question);
        REQUIRE(until([&] {
            return caller.heard<Answer>() != nullptr || caller.heard<Refused>() != nullptr;
        }));
        if (const auto* refused = caller.heard<Refused>()) FAIL(refused->message);
        return *caller.heard<Answer>();
    }

    std::string refusal(Caller& caller, const ControlMessage& question) {
        caller.told.clear();
        caller.client.send(question);
        REQUIRE(until([&] { return caller.heard<Refused>() != nullptr; }));
        return caller.heard<Refused>()->message;
    }

    JoinString token(bool for_operator = false) {
        return parse_join(ask<Token>(*admin, MakeToken{for_operator}).text).value();
    }

    // As `pleat-node --join` does it, while the controller's loop turns.
    Result<Membership> join(const JoinString& string, const std::string& name) {
        std::optional<Result<Membership>> result;
        std::atomic<bool> done = false;
        std::thread thread{[&] {
            result = join_controller(string, name, 5s);
            done = true;
        }};
        until([&done] { return done.load(); });
        thread.join();
        return *result;
    }

    // Something came and was answered: what was said before has been heard.
    void settle() { ask<Runs>(*admin, ListRuns{}); }

    boost::asio::io_context loop;
    TemporaryDirectory directory;
    std::string local = "ipc://" + directory.path() + "/control";
    std::string state = directory.path() + "/state";
    std::string remote;
    std::unique_ptr<ControllerDaemon> daemon;
    std::unique_ptr<Caller> admin;
};

Hello hello(const std::string& name, std::uint64_t incarnation = 1) {
    return {.node = name, .version = "0", .incarnation = incarnation, .address = {}};
}

}  // namespace

TEST_CASE("a machine joins once with a token, and then is known by its own key") {
    World w;
    const Result<Membership> m1 = w.join(w.token(), "m1");
    REQUIRE(m1);
    CHECK(m1->name == "m1");
    Caller node{w.loop, w.remote, m1->pass(), "m1"};
    node.client.send(hello("m1"));
    REQUIRE(w.until([&] {
        const auto machines = w.ask<Machines>(*w.admin, ListMachines{});
        return machines.machines.size() == 1 && machines.machines[0].connected;
    }));
    // Also by a controller that is started anew.
    w.admin.reset();
    w.daemon.reset();
    w.open(w.remote);
    node.client.send(hello("m1"));
    CHECK(w.until(
        [&] { return w.ask<Machines>(*w.admin, ListMachines{}).machines.at(0).connected; }));
}

TEST_CASE("the controller's key is made once, and for it alone to read") {
    World w;
    const std::string key = w.token().server_key;
    struct stat facts{};
    REQUIRE(::stat((w.state + "/controller.key").c_str(), &facts) == 0);
    CHECK((facts.st_mode & 0777U) == 0600);
    w.admin.reset();
    w.daemon.reset();
    w.open("tcp://127.0.0.1:*");
    CHECK(w.token().server_key == key);
}

TEST_CASE("a token that was used, or is none, opens nothing") {
    World w;
    JoinString string = w.token();
    REQUIRE(w.join(string, "m1"));
    const Result<Membership> again = w.join(string, "m2");
    REQUIRE_FALSE(again);
    CHECK_THAT(again.error().message, Contains("it was used already"));
    string.token = make_key_pair().secret_key;
    const Result<Membership> wrong = w.join(string, "m2");
    REQUIRE_FALSE(wrong);
    CHECK_THAT(wrong.error().message, Contains("does not know this token"));
    CHECK(w.ask<Machines>(*w.admin, ListMachines{}).machines.size() == 1);
}

TEST_CASE("a name that is taken or can't be is refused, and the token is good for another") {
    World w;
    REQUIRE(w.join(w.token(), "m1"));
    const JoinString string = w.token();
    CHECK_THAT(w.join(string, "m1").error().message, Contains("there is a machine m1 already"));
    CHECK_THAT(w.join(string, "../etc").error().message, Contains("can't be a machine's name"));
    CHECK(w.join(string, "m2"));
}

TEST_CASE("a token may join and nothing else") {
    World w;
    const JoinString string = w.token();
    Caller caller{w.loop, w.remote, Pass{pair_of(string.token), string.server_key}};
    for (const ControlMessage& message :
         {ControlMessage{Shutdown{}}, ControlMessage{ListMachines{}}, ControlMessage{MakeToken{}},
          ControlMessage{hello("m1")}, ControlMessage{dumbbell_submit("r-1", "")}}) {
        caller.client.send(message);
    }
    REQUIRE(w.until([&caller] { return caller.connected; }));
    w.settle();
    CHECK(w.until([&] {
        w.settle();
        return caller.connected;
    }));
    CHECK(caller.told.empty());
    CHECK(w.ask<Machines>(*w.admin, ListMachines{}).machines.empty());
    CHECK(w.ask<Runs>(*w.admin, ListRuns{}).runs.empty());
}

TEST_CASE("a machine reports, gives no orders, and speaks for itself alone") {
    World w;
    const Membership m1 = w.join(w.token(), "m1").value();
    Caller node{w.loop, w.remote, m1.pass(), "m1"};
    CHECK_THAT(w.refusal(node, hello("m2")), Contains("this key is that of machine m1, not of m2"));
    node.told.clear();
    for (const ControlMessage& message :
         {ControlMessage{Shutdown{}}, ControlMessage{ListMachines{}}, ControlMessage{MakeToken{}},
          ControlMessage{dumbbell_submit("r-1", "")}}) {
        node.client.send(message);
    }
    node.client.send(hello("m1"));
    REQUIRE(w.until(
        [&] { return w.ask<Machines>(*w.admin, ListMachines{}).machines.at(0).connected; }));
    CHECK(node.heard<Machines>() == nullptr);
    CHECK(node.heard<Token>() == nullptr);
    CHECK(w.ask<Runs>(*w.admin, ListRuns{}).runs.empty());
}

TEST_CASE("a machine that was removed is known no more") {
    World w;
    const Membership m1 = w.join(w.token(), "m1").value();
    Caller node{w.loop, w.remote, m1.pass(), "m1"};
    node.client.send(hello("m1"));
    REQUIRE(w.until(
        [&] { return w.ask<Machines>(*w.admin, ListMachines{}).machines.at(0).connected; }));
    w.ask<Done>(*w.admin, RemoveMachine{"m1"});
    CHECK(w.until([&node] { return node.heard<Refused>() != nullptr; }));
    Caller again{w.loop, w.remote, m1.pass(), "m1"};
    CHECK(w.until([&again] { return again.refused; }));
    CHECK(w.refusal(*w.admin, RemoveMachine{"m1"}) == "there is no machine m1");
}

TEST_CASE("an operator joins and gives orders from elsewhere") {
    World w;
    CHECK_THAT(w.join(w.token(true), "m1").error().message,
               Contains("this token is an operator's"));
    const Membership someone = w.join(w.token(true), "").value();
    Caller caller{w.loop, w.remote, someone.pass()};
    CHECK(w.ask<Machines>(caller, ListMachines{}).machines.empty());
    Submit submit = dumbbell_submit("r-1", "");
    submit.detached = true;
    CHECK(w.ask<Submitted>(caller, submit).hosts == 2);
    CHECK(w.ask<Runs>(caller, ListRuns{}).runs.at(0).state == "submitted");
    w.ask<Done>(caller, StopRun{"r-1", "enough"});
    CHECK(
        w.until([&] { return w.ask<Runs>(caller, ListRuns{}).runs.at(0).state == "interrupted"; }));
    CHECK(w.ask<RunDetails>(caller, Inspect{"r-1"}).results.interrupted);
    CHECK(w.ask<RunFinished>(caller, Watch{"r-1"}).interrupted);
}

TEST_CASE("labels are kept, and a machine that is not there has none") {
    World w;
    REQUIRE(w.join(w.token(), "m1"));
    w.ask<Done>(*w.admin, LabelMachine{"m1", {"fast", "big", "fast"}});
    CHECK(w.ask<Machines>(*w.admin, ListMachines{}).machines.at(0).labels ==
          std::vector<std::string>{"big", "fast"});
    CHECK(w.refusal(*w.admin, LabelMachine{"m9", {}}) == "there is no machine m9");
}

TEST_CASE("room that is spoken for is refused, and free again after the run") {
    World w;
    const Membership m1 = w.join(w.token(), "m1").value();
    Caller node{w.loop, w.remote, m1.pass(), "m1"};
    Hello small = hello("m1");
    small.room = 3;
    node.client.send(small);
    REQUIRE(w.until(
        [&] { return w.ask<Machines>(*w.admin, ListMachines{}).machines.at(0).connected; }));
    const auto submit = [](const std::string& run) {
        Submit of = dumbbell_submit(run, "");  // two hosts
        of.detached = true;
        return of;
    };
    w.ask<Submitted>(*w.admin, submit("r-1"));
    CHECK(w.ask<Machines>(*w.admin, ListMachines{}).machines.at(0).hosts == 2);
    CHECK(w.refusal(*w.admin, submit("r-2")) ==
          "no room for 2 hosts: m1 takes 3 hosts, 2 are spoken for");
    // Nor does a machine go with hosts on it.
    CHECK(w.refusal(*w.admin, RemoveMachine{"m1"}) ==
          "machine m1 has hosts of runs under way; end them first");
    CHECK(w.ask<Machines>(*w.admin, ListMachines{}).machines.at(0).connected);
    w.ask<Done>(*w.admin, StopRun{"r-1", "enough"});
    w.ask<Submitted>(*w.admin, submit("r-3"));
    w.ask<Done>(*w.admin, StopRun{"r-3", "enough"});
    w.ask<Done>(*w.admin, RemoveMachine{"m1"});
    CHECK(w.ask<Machines>(*w.admin, ListMachines{}).machines.empty());
}

TEST_CASE("a controller that nobody can reach makes no token") {
    World w;
    w.admin.reset();
    w.daemon.reset();
    w.daemon = std::make_unique<ControllerDaemon>(w.loop, ControllerOptions{{w.local}, w.state, {}},
                                                  [] {});
    w.admin = std::make_unique<Caller>(w.loop, w.local);
    CHECK_THAT(w.refusal(*w.admin, MakeToken{}), Contains("--listen tcp://ADDRESS:7400"));
    w.admin.reset();
    w.daemon.reset();
    w.open("tcp://0.0.0.0:*");
    CHECK_THAT(w.refusal(*w.admin, MakeToken{}), Contains("by which address others reach it"));
}
