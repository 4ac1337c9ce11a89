#include <catch2/catch.hpp>

#include "model/addressing.hh"

using namespace pleat;

TEST_CASE("hosts have the addresses after the base, in their order") {
    const AddressPlan plan = *parse_address_plan("10.0.0.0/8", 70'000);
    CHECK(ipv4_text(plan.ipv4(HostId{0})) == "10.0.0.1");
    CHECK(ipv4_text(plan.ipv4(HostId{254})) == "10.0.0.255");
    CHECK(ipv4_text(plan.ipv4(HostId{65'535})) == "10.1.0.0");
    CHECK(ipv6_text(plan.ipv6(HostId{0})) == "fd00:0:1::1");
    CHECK(ipv6_text(plan.ipv6(HostId{65'535})) == "fd00:0:1::1:0");
}

TEST_CASE("an address plan refuses what is no IPv4 range") {
    for (const char* text :
         {"", "10.0.0.0", "10.0.0/8", "10.0.0.0/33", "10.0.0.256/8", "10.0.0.0/-1", "10.0.0.0/8 ",
          " 10.0.0.0/8", "a.b.c.d/8", "10.0.0.0/08", "010.0.0.0/8", "10.0.0.0/8/8", "fd00::/8",
          "10.0.0.0.0/8", "10.0.0.+1/32"}) {
        INFO(text);
        CHECK(!parse_address_plan(text, 1));
    }
}

TEST_CASE("an address plan refuses bits behind its prefix and says what was meant") {
    const auto plan = parse_address_plan("10.1.2.3/16", 1);
    REQUIRE(!plan);
    CHECK(plan.error().message ==
          "addresses '10.1.2.3/16': expected the first address of the range, such as 10.1.0.0/16");
}

TEST_CASE("an address plan refuses more hosts than fit") {
    CHECK(parse_address_plan("192.168.1.0/30", 2));
    CHECK(!parse_address_plan("192.168.1.0/30", 3));
    CHECK(!parse_address_plan("192.168.1.0/32", 1));
    CHECK(parse_address_plan("192.168.1.0/24", 254));
    CHECK(!parse_address_plan("192.168.1.0/24", 255));
}

TEST_CASE("an address plan refuses addresses that no host can have") {
    for (const char* text : {"127.0.0.0/8", "127.1.0.0/16", "0.0.0.0/0", "0.0.0.0/8", "224.0.0.0/4",
                             "240.0.0.0/8", "128.0.0.0/1"}) {
        INFO(text);
        CHECK(!parse_address_plan(text, 1));
    }
}

TEST_CASE("IPv6 addresses are written the short way") {
    CHECK(ipv6_text({}) == "::");
    std::array<std::uint8_t, 16> address{};
    address[15] = 1;
    CHECK(ipv6_text(address) == "::1");
    address[0] = 0xfd;
    CHECK(ipv6_text(address) == "fd00::1");
    for (std::size_t i = 0; i < 16; ++i) address[i] = static_cast<std::uint8_t>(i + 1);
    CHECK(ipv6_text(address) == "102:304:506:708:90a:b0c:d0e:f10");
    address[2] = address[3] = 0;  // one zero group alone is not shortened
    CHECK(ipv6_text(address) == "102:0:506:708:90a:b0c:d0e:f10");
    address[14] = address[15] = address[12] = address[13] = 0;
    CHECK(ipv6_text(address) == "102:0:506:708:90a:b0c::");
}
