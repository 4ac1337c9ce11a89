// `pleat shell`: one command behind one link, its other end the machine's own network.
#include <csignal>
#include <thread>

#include <arpa/inet.h>
#include <catch2/catch.hpp>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.hh"
#include "tests/system/workplace.hh"

using namespace pleat;
using namespace pleat::system_test;

namespace {

// Says hello to all who connect to a port of 127.0.0.1, until it goes.
class Greeter {
  public:
    Greeter() : socket_{check("cannot make a socket", ::socket(AF_INET, SOCK_STREAM, 0))} {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        check("cannot bind", ::bind(socket_.value(), as_socket_address(&address), sizeof address));
        check("cannot listen", ::listen(socket_.value(), 8));
        socklen_t size = sizeof address;
        ::getsockname(socket_.value(), as_socket_address(&address), &size);
        port_ = ntohs(address.sin_port);
        thread_ = std::thread{[this] { serve(); }};
    }

    ~Greeter() {
        ::shutdown(socket_.value(), SHUT_RDWR);
        thread_.join();
    }

    Greeter(const Greeter&) = delete;
    Greeter& operator=(const Greeter&) = delete;

    std::string port() const { return std::to_string(port_); }

  private:
    static sockaddr* as_socket_address(sockaddr_in* address) {
        return static_cast<sockaddr*>(static_cast<void*>(address));
    }

    void serve() const {
        while (true) {
            const FileDescriptor client{::accept4(socket_.value(), nullptr, nullptr, SOCK_CLOEXEC)};
            if (!client.open()) return;
            const std::string_view greeting = "hello from outside\n";
            static_cast<void>(
                !::send(client.value(), greeting.data(), greeting.size(), MSG_NOSIGNAL));
        }
    }

    FileDescriptor socket_;
    std::uint16_t port_ = 0;
    std::thread thread_;
};

}  // namespace

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
