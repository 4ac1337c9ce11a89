// `pleat shell`: one command behind one link, its other end the machine's own network.
#include <array>
#include <csignal>
#include <optional>

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

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
    CHECK(place.left_behind() == kNothing);
}

TEST_CASE("the command has the standard input, output and error of `pleat shell`") {
    if (!can_run_or_skips()) return;
    Workplace place;
    SECTION("output and error, apart, and nothing else") {
        const Ended ended =
            place.run({"shell", "1ms", "--", "sh", "-c", "echo to the one; echo to the other >&2"});
        CHECK(ended.code == 0);
        CHECK(ended.out == "to the one\n");
        CHECK(ended.err == "to the other\n");
    }
    SECTION("input, to its end, and a megabyte of output") {
        std::array<int, 2> ends{};
        REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
        const FileDescriptor reading{ends[0]};
        FileDescriptor writing{ends[1]};
        const std::string text = "for the command\n";
        REQUIRE(::write(writing.value(), text.data(), text.size()) ==
                static_cast<ssize_t>(text.size()));
        writing.close();
        Command command = place.pleat(
            {"shell", "1ms", "--", "sh", "-c", "cat; head -c 1000000 /dev/zero; exit 3"});
        command.descriptors.push_back({.descriptor = reading.value(), .as = 0});
        const Ended ended = run_program(command);
        INFO(ended.err);
        CHECK(ended.code == 3);
        CHECK(ended.out == text + std::string(1'000'000, '\0'));
    }
    SECTION("empty input") {
        const Ended ended = place.run({"shell", "1ms", "--", "cat"});
        CHECK(ended.code == 0);
        CHECK(ended.out.empty());
    }
    CHECK(place.left_behind() == kNothing);
}

namespace {

// `pleat shell` on a terminal that the test holds the other end of.
class OnTerminal {
  public:
    OnTerminal(const Workplace& place, std::vector<std::string> arguments,
               std::vector<std::string> environment = {})
        : ours_{::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK)} {
        REQUIRE(ours_.open());
        REQUIRE(::grantpt(ours_.value()) == 0);
        REQUIRE(::unlockpt(ours_.value()) == 0);
        const winsize size{.ws_row = 33, .ws_col = 77, .ws_xpixel = 0, .ws_ypixel = 0};
        REQUIRE(::ioctl(ours_.value(), TIOCSWINSZ, &size) == 0);
        theirs_ =
            FileDescriptor{::ioctl(ours_.value(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC)};
        REQUIRE(theirs_.open());
        Command command = place.pleat(std::move(arguments));
        command.environment.insert(command.environment.end(), environment.begin(),
                                   environment.end());
        for (const int number : {0, 1, 2}) command.descriptors.push_back({theirs_.value(), number});
        command.new_session = true;
        auto child = Child::start(command);
        REQUIRE(child);
        child_ = std::move(*child);
    }

    void type(std::string_view text) const {
        REQUIRE(::write(ours_.value(), text.data(), text.size()) ==
                static_cast<ssize_t>(text.size()));
    }

    void resize(unsigned short rows, unsigned short columns) const {
        const winsize size{.ws_row = rows, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
        REQUIRE(::ioctl(ours_.value(), TIOCSWINSZ, &size) == 0);
    }

    // Until this is on the screen.
    bool shows(const std::string& wanted, Duration patience = 10s) {
        return eventually(patience, [&] {
            read();
            return has(screen_, wanted);
        });
    }

    const std::string& screen() const { return screen_; }

    bool is_raw() const {
        termios settings{};
        return ::tcgetattr(theirs_.value(), &settings) == 0 && (settings.c_lflag & ICANON) == 0;
    }

    int finish() {
        const auto status = child_->wait_until(monotonic_now() + 20s);
        read();
        REQUIRE(status.has_value());
        return status->code();
    }

  private:
    void read() {
        std::array<char, 4096> buffer{};
        for (;;) {
            const ssize_t n = ::read(ours_.value(), buffer.data(), buffer.size());
            if (n <= 0) return;
            screen_.append(buffer.data(), static_cast<std::size_t>(n));
        }
    }

    FileDescriptor ours_;
    FileDescriptor theirs_;
    std::optional<Child> child_;
    std::string screen_;
};

}  // namespace

TEST_CASE("on a terminal the command has one of its own, with Ctrl-C and the window's size") {
    if (!can_run_or_skips()) return;
    Workplace place;
    place.write("command", R"(
trap 'echo interrupted' INT
trap 'stty size' WINCH
stty size
tty
echo up
while :; do
    read line && echo "got $line" && [ "$line" = end ] && exit 5
done
)");
    OnTerminal terminal{place, {"shell", "1ms", "--", "sh", place.path("command")}};
    REQUIRE(terminal.shows("up\r\n"));
    INFO(terminal.screen());
    CHECK(has(terminal.screen(), "33 77\r\n"));
    CHECK_FALSE(has(terminal.screen(), "not a tty"));
    CHECK(terminal.is_raw());
    terminal.type("a line\r");
    CHECK(terminal.shows("got a line"));
    terminal.type("\x03");
    CHECK(terminal.shows("interrupted"));
    terminal.resize(40, 100);
    CHECK(terminal.shows("40 100"));
    terminal.type("end\r");
    CHECK(terminal.finish() == 5);
    CHECK_FALSE(terminal.is_raw());
    CHECK(place.left_behind() == kNothing);
}

TEST_CASE("`pleat shell LINK` without a command starts the user's shell") {
    if (!can_run_or_skips()) return;
    Workplace place;
    OnTerminal terminal{place, {"shell", "1ms"}, {"SHELL=/bin/sh", "PS1=ready> "}};
    REQUIRE(terminal.shows("ready> "));
    terminal.type("hostname\r");
    CHECK(terminal.shows("\nshell\r\n"));
    terminal.type("exit 6\r");
    CHECK(terminal.finish() == 6);
    CHECK(place.left_behind() == kNothing);
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
    CHECK(place.left_behind() == kNothing);
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
    CHECK(place.left_behind() == kNothing);
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
    CHECK(place.left_behind() == kNothing);
}
