#include <array>
#include <csignal>

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/process.hh"

using namespace std::chrono_literals;

namespace pleat {

namespace {

Child started(const Command& command) {
    auto child = Child::start(command);
    REQUIRE(child);
    return std::move(*child);
}

Child shell(const std::string& command) {
    Command c;
    c.arguments = {"sh", "-c", command};
    return started(c);
}

int exit_code(Child& child) {
    const auto status = child.wait_until(monotonic_now() + 10s);
    REQUIRE(status);
    return status->code();
}

struct Pipe {
    Pipe() {
        std::array<int, 2> ends{};
        REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
        reading = FileDescriptor{ends[0]};
        writing = FileDescriptor{ends[1]};
    }

    FileDescriptor reading;
    FileDescriptor writing;
};

std::string read_all(int fd) {
    std::string text;
    std::array<char, 256> chunk{};
    for (ssize_t n = 0; (n = ::read(fd, chunk.data(), chunk.size())) > 0;) {
        text.append(chunk.data(), static_cast<std::size_t>(n));
    }
    return text;
}

}  // namespace

TEST_CASE("a child's exit code and ending signal are known") {
    Child five = shell("exit 5");
    Child ended = shell("kill -TERM $$");
    CHECK(exit_code(five) == 5);
    CHECK(exit_code(ended) == 128 + SIGTERM);
}

TEST_CASE("a program that can't be executed is an error with its name") {
    Command command;
    command.arguments = {"no-such-program-here"};
    const auto missing = Child::start(command);
    REQUIRE_FALSE(missing);
    CHECK(missing.error().message.find("no-such-program-here") != std::string::npos);
    command.arguments = {"/etc/passwd"};
    const auto denied = Child::start(command);
    REQUIRE_FALSE(denied);
    CHECK(denied.error().message == "cannot execute '/etc/passwd': Permission denied");
    command.arguments = {"true"};
    command.directory = "/no/such/directory";
    const auto nowhere = Child::start(command);
    REQUIRE_FALSE(nowhere);
    CHECK(nowhere.error().message.find("change directory") != std::string::npos);
}

TEST_CASE("a child has the descriptors, environment and directory that it was given") {
    Pipe pipe;
    Pipe secret;
    Command command;
    command.arguments = {"sh", "-c", "echo $WORD; pwd; ls /proc/self/fd | wc -l; echo five >&5"};
    command.environment = {"WORD=first", "WORD=last"};
    command.directory = "/usr";
    command.descriptors = {{pipe.writing.value(), 1}, {pipe.writing.value(), 5}};
    Child child = started(command);
    pipe.writing.close();
    // 0, 1, 2, 5 and the one that ls itself opens: nothing of ours got in.
    CHECK(read_all(pipe.reading.value()) == "last\n/usr\n5\nfive\n");
    CHECK(exit_code(child) == 0);
}

TEST_CASE("descriptors can change places") {
    Pipe a;
    Pipe b;
    const int low = a.writing.value();
    const int high = b.writing.value();
    Command command;
    command.arguments = {"sh", "-c",
                         "echo to-b >/proc/self/fd/" + std::to_string(low) +
                             "; echo to-a >/proc/self/fd/" + std::to_string(high)};
    command.descriptors = {{low, high}, {high, low}};
    Child child = started(command);
    a.writing.close();
    b.writing.close();
    CHECK(read_all(a.reading.value()) == "to-a\n");
    CHECK(read_all(b.reading.value()) == "to-b\n");
    CHECK(exit_code(child) == 0);
}

TEST_CASE("waiting ends at the deadline, and a child ends with its owner") {
    pid_t pid = 0;
    {
        Child child = shell("exec sleep 100");
        pid = child.pid();
        CHECK_FALSE(child.wait_until(monotonic_now() + 10ms));
        CHECK(process_start_ticks(pid));
    }
    CHECK_FALSE(process_start_ticks(pid));
}

TEST_CASE("a child that ignores SIGTERM is killed after the grace") {
    Pipe pipe;
    Command command;
    command.arguments = {"sh", "-c", "trap '' TERM; echo; while :; do sleep 0.01; done"};
    command.descriptors = {{pipe.writing.value(), 1}};
    Child child = started(command);
    char byte = 0;
    REQUIRE(::read(pipe.reading.value(), &byte, 1) == 1);
    CHECK(child.end(50ms).text() == "killed by signal 9 (Killed)");
}

TEST_CASE("with a parent-death signal a child ends when its parent is killed") {
    Pipe pipe;
    const pid_t parent = ::fork();
    if (parent == 0) {
        Command command;
        command.arguments = {"sleep", "100"};
        command.parent_death_signal = SIGKILL;
        auto child = Child::start(command);
        const pid_t pid = child ? child->pid() : 0;
        static_cast<void>(!::write(pipe.writing.value(), &pid, sizeof pid));
        ::kill(::getpid(), SIGKILL);
    }
    pid_t grandchild = 0;
    REQUIRE(::read(pipe.reading.value(), &grandchild, sizeof grandchild) == sizeof grandchild);
    REQUIRE(::waitpid(parent, nullptr, 0) == parent);
    REQUIRE(grandchild > 0);
    const FileDescriptor pidfd{static_cast<int>(::syscall(SYS_pidfd_open, grandchild, 0U))};
    if (!pidfd.open()) return;  // gone already
    pollfd wait{pidfd.value(), POLLIN, 0};
    CHECK(::poll(&wait, 1, 5000) == 1);
}

}  // namespace pleat
