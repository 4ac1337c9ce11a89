// `pleat shell`: one command behind one link, its other end the machine's own network.
#include <csignal>

#include <catch2/catch.hpp>

#include "base/files.hh"
#include "tests/system/greeter.hh"
#include "tests/system/workplace.hh"

using namespace pleat;
using namespace pleat::system_test;

TEST_CASE("the exit code of `pleat shell` is the command's") {
    if (!can_run_or_skips()) return;
    Workplace place;
    SECTION("0") {
        const Ended ended = place.run({"shell", "10ms 10Mbps", "--", "true"});
        INFO(ended.err);
        CHECK(ended.code == 0);
        CHECK(ended.out.empty());
    }
    SECTION("7") {
        const Ended ended = place.run({"shell", "10ms 10Mbps", "--", "sh", "-c", "exit 7"});
        INFO(ended.err);
        CHECK(ended.code == 7);
    }
    SECTION("a program that is not there") {
        const Ended ended = place.run({"shell", "10ms 10Mbps", "--", "/no/such/program"});
        INFO(ended.err);
        CHECK(ended.code != 0);
        CHECK(has(ended.err, "/no/such/program"));
    }
    SECTION("a link that can't be read") {
        const Ended ended = place.run({"shell", "10ms 10MBps", "--", "true"});
        INFO(ended.err);
        CHECK(ended.code == 2);
        CHECK(has(ended.err, "10MBps"));
    }
    CHECK(place.left_behind() == "");
}

TEST_CASE("what the command writes is what `pleat shell` writes, and nothing else") {
    if (!can_run_or_skips()) return;
    Workplace place;
    const Ended ended =
        place.run({"shell", "1ms", "--", "sh", "-c", "echo to the one; echo to the other >&2"});
    CHECK(ended.code == 0);
    // Both are in the host's log, which is what is shown.
    CHECK(ended.out == "to the one\nto the other\n");
    CHECK(ended.err.empty());
}

TEST_CASE("a command in `pleat shell` reaches the machine's network, as late as the link says") {
    if (!can_run_or_skips()) return;
    if (!find_program("slirp4netns")) {
        WARN("left out, since slirp4netns is not installed");
        return;
    }
    Workplace place;
    const Greeter greeter;
    const Ended ended =
        place.run({"shell", "100ms 10Mbps", "--", "sh", "-c",
                   "date +%s%N; nc -w 5 198.18.0.2 " + greeter.port() + "; date +%s%N"});
    INFO(ended.out << ended.err);
    REQUIRE(ended.code == 0);
    CHECK(has(ended.out, "hello from outside"));
    // The connection takes a round trip, what is said half of one more.
    const double began = std::stod(ended.out);
    const double over = std::stod(ended.out.substr(ended.out.find("outside") + 8));
    CHECK((over - began) / 1e9 >= 0.2);
    CHECK((over - began) / 1e9 < 2.0);
    CHECK(place.left_behind() == "");
}

TEST_CASE("Ctrl-C at `pleat shell` ends its command and leaves nothing") {
    if (!can_run_or_skips()) return;
    Workplace place;
    Command command = place.pleat({"shell", "1ms", "--", "sh", "-c", "echo up; exec sleep 60"});
    command.new_session = true;
    Program shell{command};
    REQUIRE(eventually(10s, [&] { return has(shell.out(), "up"); }));
    ::kill(-shell.pid(), SIGINT);
    const Ended ended = shell.finish(10s);
    INFO(ended.err);
    CHECK(ended.code >= 128);
    CHECK(place.left_behind() == "");
}

TEST_CASE("a host of a file reaches the machine's network over a link to @outside") {
    if (!can_run_or_skips()) return;
    if (!find_program("slirp4netns")) {
        WARN("left out, since slirp4netns is not installed");
        return;
    }
    Workplace place;
    const Greeter greeter;
    place.write("t.yaml", R"(pleat: 1
name: outside
duration: 20s
hosts:
  a: {main: true, run: "nc -w 5 198.18.0.2 )" +
                              greeter.port() + R"("}
  b: {}
bridges: [s1]
links:
  - a -- s1: 5ms 10Mbps
  - b -- s1: 5ms 10Mbps
  - s1 -- @outside: 5ms 10Mbps
)");
    const Ended ended = place.run({"run", "t.yaml", "--json"});
    INFO(ended.err);
    REQUIRE(ended.code == 0);
    const std::string directory = document(ended.out).at("directory");
    CHECK(read_file(place.path(directory + "/logs/a.log")) == "hello from outside\n");
    CHECK(place.left_behind() == "");
}
