// The whole controller over real sockets, with a scripted node and a scripted command
// line in the same loop. Every wait has a deadline.
#include <filesystem>
#include <fstream>

#include <catch2/catch.hpp>
#include <zmq.hpp>

#include "controller/options.hh"
#include "controller/store.hh"
#include "tests/controller/daemon_world.hh"

using namespace pleat;
using namespace pleat::testing;
using namespace std::chrono_literals;
using Catch::Contains;
using Catch::StartsWith;
using World = DaemonWorld;

TEST_CASE("a run is submitted, started, reported, and everything shut down") {
    World w;
    w.open();
    w.add_node();
    w.submit_and_start("r-1");
    CHECK(w.heard<Submitted>()->epochs == 3);
    w.hear<Progress>();
    CHECK(w.node->t0);
    w.node->end_run("r-1", false);
    const auto& finished = w.hear<RunFinished>();
    CHECK_FALSE(finished.failed);
    CHECK(finished.data_plane == "fake");
    REQUIRE(finished.flows.size() == 1);
    CHECK(finished.flows[0].at.size() == 1000);
    std::vector<std::string> stages;
    for (const ControlMessage& message : w.told) {
        if (const auto* stage = std::get_if<Stage>(&message)) stages.push_back(stage->name);
    }
    CHECK(stages == std::vector<std::string>{"hosts", "begin", "collect"});
    w.cli->send(Shutdown{});
    CHECK(w.until([&w] { return w.done && w.node->shut_down; }));
    w.daemon.reset();
    Store store{w.state};
    CHECK(store.runs()[0].state == "done");
    CHECK(std::filesystem::exists(w.directory.path() + "/r-1/run.db"));
    CHECK(std::filesystem::exists(w.directory.path() + "/r-1/manifest.json"));
    CHECK_FALSE(std::filesystem::exists(w.directory.path() + "/control"));
}

TEST_CASE("a node that comes after the start is waited for") {
    World w;
    w.open();
    w.submit_and_start("r-1");
    w.add_node();
    w.hear<Progress>();
}

TEST_CASE("runs may come one after another") {
    World w;
    w.open();
    w.add_node();
    for (const char* run : {"r-1", "r-2", "r-3"}) {
        w.told.clear();
        w.submit_and_start(run);
        w.hear<Progress>();
        w.node->end_run(run, false);
        CHECK(w.hear<RunFinished>().run == run);
        CHECK_FALSE(w.heard<RunFinished>()->failed);
    }
}

TEST_CASE("a run can be stopped at any time, and its end is told") {
    World w;
    w.open();
    SECTION("before it is started") {
        w.submit("r-1");
    }
    SECTION("before there is a node") {
        w.submit_and_start("r-1");
    }
    SECTION("while it runs") {
        w.add_node();
        w.submit_and_start("r-1");
        w.hear<Progress>();
    }
    w.cli->send(StopRun{"r-1", "interrupted"});
    const auto& finished = w.hear<RunFinished>();
    CHECK(finished.interrupted);
    CHECK_FALSE(finished.failed);
}

TEST_CASE("several runs at once do not disturb each other") {
    World w;
    w.open();
    w.add_node();
    for (const char* run : {"r-1", "r-2"}) {
        w.submit(run);
        REQUIRE(w.until([&] { return w.heard_of<Submitted>(run) != nullptr; }));
        w.cli->send(StartRun{run});
    }
    REQUIRE(w.until([&] {
        return w.heard_of<Progress>("r-1") != nullptr && w.heard_of<Progress>("r-2") != nullptr;
    }));
    // What is said of a run that is not there is stale, and nobody's.
    w.node->say(LogEnd{1}, "r-0");
    w.cli->send(StopRun{"r-1", "enough"});
    REQUIRE(w.until([&] { return w.heard_of<RunFinished>("r-1") != nullptr; }));
    CHECK(w.heard_of<RunFinished>("r-2") == nullptr);
    w.node->end_run("r-2", false);
    REQUIRE(w.until([&] { return w.heard_of<RunFinished>("r-2") != nullptr; }));
    CHECK(w.heard_of<RunFinished>("r-1")->interrupted);
    CHECK_FALSE(w.heard_of<RunFinished>("r-2")->interrupted);
    CHECK_FALSE(w.heard_of<RunFinished>("r-2")->failed);
}

TEST_CASE("hosts are placed on the nodes that are there, and each hears of the others") {
    World w;
    w.open();
    FakeNode m1{w.loop, w.endpoint, 1, "m1"};
    FakeNode m2{w.loop, w.endpoint, 2, "m2"};
    // Until both are known.
    w.submit("r-0");
    w.hear<Submitted>();
    w.cli->send(StopRun{"r-0", "enough"});
    w.hear<RunFinished>();
    w.told.clear();
    w.submit_and_start("r-1");
    w.hear<Progress>();
    REQUIRE(m1.peers.at("r-1").size() == 1);
    CHECK(m1.peers.at("r-1")[0].name == "m2");
    CHECK(m1.peers.at("r-1")[0].hosts == std::vector<HostId>{HostId{1}});
    CHECK(m2.peers.at("r-1")[0].name == "m1");
    m1.end_run("r-1", false);
    const auto& finished = w.hear<RunFinished>();
    CHECK_FALSE(finished.failed);
    CHECK(m2.ended);  // was told by the controller
    REQUIRE(finished.machines.size() == 2);
    CHECK(finished.machines[1].name == "m2");
    CHECK(finished.control.bytes_sent == 200);
}

TEST_CASE(
    "a machine that joins while a run starts has no part in it, and one that leaves ends it") {
    const bool joins = GENERATE(true, false);
    World w;
    if (!joins) w.deadlines.node = 300ms;
    w.open();
    FakeNode m1{w.loop, w.endpoint, 1, "m1"};
    auto m2 = std::make_unique<FakeNode>(w.loop, w.endpoint, 2, "m2");
    const auto machines = [&w] {
        w.told.clear();
        w.cli->send(ListMachines{});
        return w.hear<Machines>().machines;
    };
    const auto is_there = [&machines](const std::string& name) {
        const auto all = machines();
        return std::ranges::any_of(all, [&name](const MachineInfo& machine) {
            return machine.name == name && machine.connected;
        });
    };
    REQUIRE(w.until([&] { return is_there("m1") && is_there("m2"); }));
    w.submit("r-1");
    w.hear<Submitted>();
    m2->busy = true;
    w.cli->send(StartRun{"r-1"});
    // The ways are not open, since m2 has not said where its is.
    FakeNode m3{w.loop, w.endpoint, 3, "m3"};
    REQUIRE(w.until([&] { return is_there("m3"); }));
    if (joins) {
        m2->do_what_waits();
        REQUIRE(w.until([&] { return w.heard_of<Progress>("r-1") != nullptr; }));
        CHECK(m3.tables.empty());
        REQUIRE(m1.peers.at("r-1").size() == 1);
        CHECK(m1.peers.at("r-1")[0].name == "m2");
        m1.end_run("r-1", false);
        REQUIRE(w.until([&] { return w.heard_of<RunFinished>("r-1") != nullptr; }));
        CHECK_FALSE(w.heard_of<RunFinished>("r-1")->failed);
        CHECK(w.heard_of<RunFinished>("r-1")->machines.size() == 2);
        return;
    }
    m2.reset();
    REQUIRE(w.until([&] { return w.heard_of<RunFinished>("r-1") != nullptr; }));
    const RunFinished& finished = *w.heard_of<RunFinished>("r-1");
    CHECK(finished.failed);
    CHECK_THAT(finished.problems.at(0), Contains("machine m2"));
    // The two that are left serve the next.
    w.submit("r-2");
    REQUIRE(w.until([&] { return w.heard_of<Submitted>("r-2") != nullptr; }));
    w.cli->send(StartRun{"r-2"});
    REQUIRE(w.until([&] { return w.heard_of<Progress>("r-2") != nullptr; }));
    CHECK(m3.tables.contains("r-2"));
}

TEST_CASE("a second node of the same name is refused while the first is there") {
    World w;
    w.open();
    w.add_node();
    w.submit_and_start("r-1");
    w.hear<Progress>();
    FakeNode second{w.loop, w.endpoint, 2};
    REQUIRE(w.until([&] { return !second.refused.empty(); }));
    CHECK_THAT(second.refused, Contains("another node named local is connected"));
    w.node->end_run("r-1", false);
    CHECK_FALSE(w.hear<RunFinished>().failed);
}

TEST_CASE("a node of another version is refused, and both versions are named") {
    World w;
    w.open();
    zmq::context_t context;
    zmq::socket_t socket{context, zmq::socket_type::dealer};
    socket.set(zmq::sockopt::linger, 0);
    socket.connect(w.endpoint);
    Envelope theirs;
    theirs.version = kProtocolVersion + 1;
    socket.send(zmq::buffer(encode(ControlMessage{Hello{"m1", "9.9.9", 1, {}}}, theirs)));
    zmq::message_t answer;
    REQUIRE(w.until([&] { return socket.recv(answer, zmq::recv_flags::dontwait).has_value(); }));
    const auto message = decode_control(answer.to_string_view());
    const std::string& why = std::get<Refused>(*message).message;
    CHECK_THAT(why, Contains("node m1 is pleat 9.9.9 (protocol 2)"));
    CHECK_THAT(why, Contains("this controller is pleat " PLEAT_VERSION " (protocol 1)"));
}

TEST_CASE("a run that can't be is refused, and the next one is accepted") {
    World w;
    w.open();
    SECTION("it asks for what this build can't do") {
        Submit submit = dumbbell_submit("r-0", w.directory.path() + "/r-0");
        submit.scenario.not_yet = {"corrupt="};
        w.cli->send(submit);
        CHECK_THAT(w.hear<Refused>().message, Contains("can't do yet: corrupt="));
    }
    SECTION("its directory can't be made") {
        w.cli->send(dumbbell_submit("r-0", "/proc/nowhere"));
        CHECK_THAT(w.hear<Refused>().message, Contains("/proc/nowhere"));
    }
    SECTION("it is none") {
        w.cli->send(StartRun{"r-9"});
        CHECK(w.hear<Refused>().message == "there is no run r-9 to start");
    }
    w.submit("r-1");
    w.hear<Submitted>();
    w.cli->send(StopRun{"r-1", "enough"});
    w.hear<RunFinished>();
    w.told.clear();
    w.submit("r-1");
    CHECK(w.hear<Refused>().message == "there is a run r-1 already");
}

TEST_CASE("a node that dies is noticed, and the run fails") {
    World w;
    w.deadlines.silence = 200ms;
    w.deadlines.ending = 50ms;
    w.open();
    w.add_node();
    w.submit_and_start("r-1");
    w.hear<Progress>();
    w.node.reset();
    const auto& finished = w.hear<RunFinished>();
    CHECK(finished.failed);
    CHECK(finished.exit_code == kExitMachineLost);
    CHECK(finished.problems.at(0) == "waited in vain for a sign of life of the node for 0.2 s");
}

TEST_CASE("a node that is started anew during a run has lost it") {
    World w;
    w.open();
    w.add_node();
    w.submit_and_start("r-1");
    w.hear<Progress>();
    w.node.reset();
    FakeNode second{w.loop, w.endpoint, 2};
    const auto& finished = w.hear<RunFinished>();
    CHECK_THAT(finished.problems.at(0), StartsWith("the node is lost: "));
    CHECK(finished.exit_code == kExitMachineLost);
    // It serves the next run.
    w.told.clear();
    w.submit_and_start("r-2");
    w.hear<Progress>();
    CHECK(second.t0);
}

TEST_CASE("a node that hears and says nothing fails the run in time") {
    World w;
    w.deadlines.prepared = 50ms;
    w.deadlines.ending = 50ms;
    w.open();
    w.add_node();
    w.node->silent = true;
    w.submit_and_start("r-1");
    const auto& finished = w.hear<RunFinished>();
    CHECK(finished.failed);
    CHECK_THAT(finished.problems[0], Contains("prepare path tables within 0.05 s"));
}

TEST_CASE("a lost command line ends the run") {
    World w;
    w.open();
    w.add_node();
    w.submit_and_start("r-1");
    w.hear<Progress>();
    w.cli.reset();
    CHECK(w.until([&w] {
        if (!w.node->ended) w.node->say(Progress{}, "r-1");  // as each second
        return w.node->ended;
    }));
}

TEST_CASE("a signal ends the run cleanly, a second one does not wait") {
    World w;
    w.open();
    w.add_node();
    w.submit_and_start("r-1");
    w.hear<Progress>();
    SECTION("once") {
        w.daemon->stop("signal 15");
        CHECK(w.hear<RunFinished>().interrupted);
        CHECK(w.until([&w] { return w.done && w.node->shut_down; }));
    }
    SECTION("twice") {
        w.node->silent = true;
        w.daemon->stop("signal 15");
        CHECK_FALSE(w.done);
        w.daemon->stop("signal 15");
        CHECK(w.done);
    }
}

TEST_CASE("a controller says why it can't open its doors") {
    World w;
    w.open();
    const auto open = [&w](const std::string& endpoint, const std::string& state) {
        const ControllerDaemon daemon{w.loop, ControllerOptions{{endpoint}, state, {}}, [] {}};
    };
    CHECK_THROWS_WITH(open(w.endpoint, w.directory.path() + "/other"),
                      Contains("another process listens there"));
    CHECK_THROWS_WITH(open(w.endpoint + "2", "/proc/state"), Contains("/proc/state"));
    std::filesystem::create_directory(w.directory.path() + "/broken");
    std::ofstream{w.directory.path() + "/broken/pleat.db"} << "nonsense, but long enough";
    CHECK_THROWS_WITH(open(w.endpoint + "2", w.directory.path() + "/broken"),
                      Contains("move it away"));
}

TEST_CASE("a run that a killed controller left is known as abandoned") {
    World w;
    {
        Store store{w.state};
        store.add_run(dumbbell_plan("r-0", "/tmp/x"), "now");
    }
    w.open();
    Store store{w.state};
    CHECK(store.runs()[0].state == "abandoned");
}

TEST_CASE("the controller's command line is checked") {
    const auto parse = [](const std::vector<std::string>& arguments) {
        return parse_controller_arguments(arguments);
    };
    const auto good = parse({"--listen", "ipc:///x", "--state=/y", "--with-parent"});
    REQUIRE(good);
    CHECK(good->endpoints == std::vector<std::string>{"ipc:///x"});
    CHECK(good->state_directory == "/y");
    CHECK(good->with_parent);
    CHECK(parse({"--version"})->version);
    CHECK(parse({"--state", "/y"})->endpoints == std::vector<std::string>{"ipc:///y/control"});
    CHECK(parse({"--state", "/y", "--listen", "tcp://10.0.0.1:7400"})->endpoints ==
          std::vector<std::string>{"ipc:///y/control", "tcp://10.0.0.1:7400"});
    CHECK(parse({}).error().message == "--state DIRECTORY is missing");
    CHECK(parse({"--listen", "x"}).error().message == "--state DIRECTORY is missing");
    CHECK(parse({"--listen"}).error().message == "--listen needs a value");
    CHECK(parse({"--what"}).error().message == "unknown argument '--what'");
}
