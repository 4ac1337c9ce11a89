#include <catch2/catch.hpp>

#include "model/bare_metal.hh"
#include "tests/model/build.hh"

using namespace pleat;
using Catch::Contains;

namespace {

constexpr std::uint32_t kOne = 0x0a000005;
constexpr std::uint32_t kOther = 0x0a000006;

// Hosts a, b, c; the first of them are these machines.
Scenario scenario_of(const std::vector<AttachedMachine>& machines, std::size_t hosts) {
    std::vector<std::string> lines;
    lines.reserve(hosts);
    for (std::size_t i = 0; i < hosts; ++i) {
        lines.push_back(std::string{"host "} + static_cast<char>('a' + i));
    }
    Scenario scenario = pleat::testing::scenario(pleat::testing::topology(lines));
    scenario.applications.resize(hosts);
    for (std::size_t i = 0; i < machines.size(); ++i) {
        scenario.applications[i].attached = machines[i];
    }
    return scenario;
}

AttachedMachine machine(const std::string& name, std::uint32_t ipv4,
                        std::vector<std::string> stop = {}) {
    return {.machine = name, .ipv4 = ipv4, .stop = std::move(stop)};
}

std::optional<std::string> mixed_hosts_of(const Scenario& scenario) {
    return mixed_hosts(scenario.topology, scenario.applications);
}

}  // namespace

TEST_CASE("attached machines have their own addresses, others those of the range") {
    const Scenario attached = scenario_of({machine("m1", kOne), machine("m2", kOther)}, 2);
    const AddressPlan own = address_plan(attached).value();
    CHECK(own.ipv4(HostId{0}) == kOne);
    CHECK(own.ipv4(HostId{1}) == kOther);
    CHECK(has_attached_hosts(attached));
    const Scenario others = scenario_of({}, 2);
    CHECK(address_plan(others).value().ipv4(HostId{1}) == 0x0a000002);
    CHECK_FALSE(has_attached_hosts(others));
}

TEST_CASE("hosts of both kinds in one run are refused, and which they are") {
    const Scenario mixed = scenario_of({machine("m1", kOne)}, 2);
    CHECK_THAT(mixed_hosts_of(mixed).value(),
               Contains("host a is the machine m1") && Contains("host b is not attached"));
    CHECK(address_plan(mixed).error().message == mixed_hosts_of(mixed));
    CHECK_FALSE(mixed_hosts_of(scenario_of({machine("m1", kOne)}, 1)));
    CHECK_FALSE(mixed_hosts_of(scenario_of({}, 2)));
}

TEST_CASE("a run has time for its stop scripts, if it has any") {
    CHECK(stop_patience(scenario_of({machine("m1", kOne)}, 1)) == Duration::zero());
    CHECK(stop_patience(scenario_of({machine("m1", kOne, {"true"})}, 1)) == kStopPatience);
}

TEST_CASE("ends of control connections are read as they are written") {
    CHECK(parse_control_end("tcp://10.0.0.5:7400") == ControlEnd{.ipv4 = kOne, .port = 7400});
    CHECK(parse_control_end("10.0.0.6:80") == ControlEnd{.ipv4 = kOther, .port = 80});
    CHECK(parse_control_end("tcp://[fd00::1]:7400") == ControlEnd{.ipv4 = 0, .port = 7400});
    for (const char* const none :
         {"", "ipc:///run/pleat/x", "10.0.0.5", "10.0.0.5:", ":x", "10.0.0.5:70000"}) {
        INFO(none);
        CHECK_FALSE(parse_control_end(none));
    }
}

TEST_CASE("ports are spared where a control connection goes to an address of the run") {
    AddressPlan plan;
    plan.own = {kOne, kOther};
    const std::vector<ControlEnd> beside{{.ipv4 = 0x0a000101, .port = 7400},
                                         {.ipv4 = 0, .port = 5000}};
    CHECK(spared_ports(beside, plan, {22}).empty());
    std::vector<ControlEnd> same = beside;
    same.push_back({.ipv4 = kOther, .port = 7500});
    same.push_back({.ipv4 = kOther, .port = 22});
    CHECK(spared_ports(same, plan, {22, 2222}) ==
          std::vector<std::uint16_t>{22, 2222, 5000, 7400, 7500});
}

TEST_CASE("the interface with an address is found, or what there is instead is said") {
    const std::vector<InterfaceAddress> all{{"eth0", kOne}, {"eth1", kOther}};
    CHECK(interface_with(kOther, "a", all).value() == "eth1");
    const auto none = interface_with(0x0a000007, "a", all);
    REQUIRE_FALSE(none);
    CHECK(none.error().message ==
          "host a: this machine does not have the address 10.0.0.7; it has 10.0.0.5 (eth0), "
          "10.0.0.6 (eth1): correct `address:` or `attach:`");
    CHECK_THAT(interface_with(kOne, "a", {}).error().message, Contains("it has none"));
}
