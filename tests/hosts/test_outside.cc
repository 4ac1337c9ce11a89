#include <array>

#include <arpa/inet.h>
#include <catch2/catch.hpp>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/capabilities.hh"
#include "tests/hosts/fleet_world.hh"

namespace pleat {

namespace {

// A server on the machine's loopback that says "hello" to each caller.
class Greeter {
  public:
    Greeter() : socket_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)} {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        // NOLINTBEGIN(cppcoreguidelines-pro-type-reinterpret-cast): as the calls want it
        REQUIRE(::bind(socket_.value(), reinterpret_cast<sockaddr*>(&address), size) == 0);
        REQUIRE(::listen(socket_.value(), 4) == 0);
        REQUIRE(::getsockname(socket_.value(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
        // NOLINTEND(cppcoreguidelines-pro-type-reinterpret-cast)
        port_ = ntohs(address.sin_port);
    }

    int port() const { return port_; }

    void greet() const {
        const FileDescriptor caller{::accept4(socket_.value(), nullptr, nullptr, SOCK_CLOEXEC)};
        if (caller.open()) static_cast<void>(!::write(caller.value(), "hello\n", 6));
    }

  private:
    FileDescriptor socket_;
    int port_ = 0;
};

// What the data plane does for two hosts, one of them outside.
void forward(int from, int to) {
    std::array<char, 70'000> packet{};
    for (ssize_t n = 0; (n = ::read(from, packet.data(), packet.size())) > 0;) {
        static_cast<void>(!::write(to, packet.data(), static_cast<std::size_t>(n)));
    }
}

}  // namespace

TEST_CASE("a host reaches the machine's own network through the outside host") {
    if (!can_make_hosts()) return;
    if (const Probe slirp = probe_slirp4netns(); !slirp.ok) {
        WARN("SKIPPED: slirp4netns is " << slirp.text);
        return;
    }
    const Greeter greeter;
    Application outside;
    outside.outside = true;
    FleetWorld world{scenario_of({{"inside", {}}, {"outside", outside}})};
    world.create();
    REQUIRE(world.ports.size() == 2);
    CHECK_FALSE(world.ports[0].outside);
    CHECK(world.ports[1].outside);
    const std::string address = "/dev/tcp/198.18.0.2/" + std::to_string(greeter.port());
    world.fleet->execute(HostId{0}, 1, {"bash", "-c", "cat <" + address});
    REQUIRE(world.turn_until([&] {
        forward(world.tun(0), world.tun(1));
        forward(world.tun(1), world.tun(0));
        greeter.greet();
        return world.count<ExecEnded>() == 1;
    }));
    CHECK(world.log("inside") == "hello\n");
    bool done = false;
    world.fleet->dissolve([&done] { done = true; });
    CHECK(world.turn_until([&done] { return done; }));
}

}  // namespace pleat
