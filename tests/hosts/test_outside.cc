#include <array>

#include <catch2/catch.hpp>
#include <unistd.h>

#include "base/capabilities.hh"
#include "tests/hosts/fleet_world.hh"
#include "tests/hosts/greeter.hh"

namespace pleat {

namespace {

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
