#include <random>

#include <catch2/catch.hpp>
#include <sys/wait.h>

#include "node/hosts/host_files.hh"
#include "node/hosts/host_program.hh"
#include "node/hosts/outside.hh"
#include "node/keeper/channel.hh"
#include "node/keeper/protocol.hh"

namespace pleat {

namespace {

keeper::Request full_start() {
    keeper::Start start;
    start.program = {
        {"iperf3", "-s"}, {"A=b", "C="}, keeper::Identity{1, 2, {3, 4}}, "/log", "/streams"};
    start.ready.kind = keeper::ReadyKind::tcp_port;
    start.ready.tcp_port = 5201;
    return start;
}

}  // namespace

TEST_CASE("a request that has been sent is read as the same") {
    const auto message = keeper::encode(full_start());
    REQUIRE(message);
    const auto read = keeper::decode_request(*message);
    REQUIRE(read);
    CHECK(keeper::encode(*read) == message);
    const auto& start = std::get<keeper::Start>(*read);
    CHECK(start.program.arguments == std::vector<std::string>{"iperf3", "-s"});
    CHECK(start.program.identity->groups == std::vector<std::uint32_t>{3, 4});
    CHECK(start.program.streams == "/streams");
    CHECK(start.ready.tcp_port == 5201);
    CHECK_FALSE(keeper::decode_report(*message));  // a request is no report
}

TEST_CASE("a message that is cut, longer or of another version is refused") {
    const std::string message = *keeper::encode(full_start());
    for (std::size_t size = 0; size < message.size(); ++size) {
        CHECK_FALSE(keeper::decode_request(message.substr(0, size)));
    }
    CHECK_FALSE(keeper::decode_request(message + "x"));
    std::string other = message;
    other[4] = static_cast<char>(keeper::kProtocolVersion + 1);
    CHECK_FALSE(keeper::decode_request(other));
}

TEST_CASE("forged messages are refused or harmless") {
    const std::string message = *keeper::encode(full_start());
    std::mt19937_64 random{7};
    for (int i = 0; i < 20'000; ++i) {
        std::string forged = message;
        for (std::uint64_t n = random() % 4 + 1; n > 0; --n) {
            forged[random() % forged.size()] = static_cast<char>(random());
        }
        const auto read = keeper::decode_request(forged);
        // What is read is well-formed: it encodes to what was sent.
        if (read) CHECK(*keeper::encode(*read) == forged);
        static_cast<void>(keeper::decode_report(forged));
    }
}

TEST_CASE("messages are bounded") {
    keeper::Start start;
    start.program.arguments.assign(1, std::string(keeper::kMaximumMessage, 'x'));
    CHECK_FALSE(keeper::encode(keeper::Request{start}));
    const std::string report =
        keeper::encode(keeper::Report{keeper::SetupFailed{std::string(1'000'000, 'x'), false}});
    CHECK(report.size() < 5000);
    CHECK(keeper::decode_report(report));
}

TEST_CASE("packets keep their bounds and bring descriptors") {
    auto [a, b] = keeper::make_channel();
    CHECK(keeper::receive_packet(b.value()).what == keeper::Received::What::nothing);
    CHECK(keeper::send_packet(a.value(), "one", 0) == keeper::SendResult::sent);
    CHECK(keeper::send_packet(a.value(), "two") == keeper::SendResult::sent);
    const keeper::Received one = keeper::receive_packet(b.value());
    CHECK(one.packet == "one");
    CHECK(one.descriptor.open());
    const keeper::Received two = keeper::receive_packet(b.value());
    CHECK(two.packet == "two");
    CHECK_FALSE(two.descriptor.open());
    a.close();
    CHECK(keeper::receive_packet(b.value()).what == keeper::Received::What::lost);
    CHECK(keeper::send_packet(b.value(), "three") == keeper::SendResult::lost);
}

TEST_CASE("the hosts file names every host, and groups once for each replica") {
    TopologyBuilder builder;
    for (std::uint32_t i = 0; i < 2; ++i) {
        Host host;
        host.name = "server[" + std::to_string(i) + "]";
        host.group = "server";
        host.replica = i;
        host.replicated = true;
        builder.add(host);
    }
    Host alone;
    alone.name = alone.group = "client";
    builder.add(alone);
    const auto topology = std::move(builder).build();
    REQUIRE(topology);
    const std::string text = hosts_file(*topology, AddressPlan{});
    CHECK(text.find("127.0.0.1 localhost\n") != std::string::npos);
    CHECK(text.find("10.0.0.1 client\n") != std::string::npos);
    CHECK(text.find("10.0.0.2 server-0 server\n") != std::string::npos);
    CHECK(text.find("10.0.0.3 server-1 server\n") != std::string::npos);
    CHECK(host_name_of(topology->host(HostId{1})) == "server-0");
}

TEST_CASE("the outside network keeps clear of the run's addresses") {
    AddressPlan addresses;
    CHECK(outside_network(addresses).name_server == "198.18.0.3");
    addresses.base = 0xc6120000;  // 198.18.0.0
    addresses.prefix_length = 15;
    CHECK(outside_network(addresses).range == "100.127.0.0/24");
    addresses.prefix_length = 0;
    CHECK_THROWS_WITH(outside_network(addresses), Catch::Contains("addresses:"));
}

}  // namespace pleat
