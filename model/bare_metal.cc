#include "model/bare_metal.hh"

#include <algorithm>
#include <charconv>

namespace pleat {

Duration stop_patience(const Scenario& scenario) {
    const bool has_script = std::ranges::any_of(scenario.applications, [](const Application& one) {
        return one.attached && !one.attached->stop.empty();
    });
    return has_script ? kStopPatience : Duration::zero();
}

bool has_attached_hosts(const Scenario& scenario) {
    return std::ranges::any_of(scenario.applications,
                               [](const Application& one) { return one.attached.has_value(); });
}

std::optional<std::string> mixed_hosts(const Topology& topology,
                                       const std::vector<Application>& applications) {
    const auto is_attached = [](const Application& one) { return one.attached.has_value(); };
    const auto attached = std::ranges::find_if(applications, is_attached);
    const auto other = std::ranges::find_if_not(applications, is_attached);
    if (attached == applications.end() || other == applications.end()) return {};
    const auto name = [&](auto it) {
        return topology.hosts()[static_cast<std::size_t>(it - applications.begin())].name;
    };
    return "host " + name(attached) + " is the machine " + attached->attached->machine + ", host " +
           name(other) +
           " is not attached to one: packets can't go from one kind to the other; give every host "
           "`attach: machine:NAME`, or none";
}

Result<AddressPlan> address_plan(const Scenario& scenario) {
    if (!has_attached_hosts(scenario)) {
        return parse_address_plan(scenario.addresses, scenario.topology.hosts().size());
    }
    const auto mixed = mixed_hosts(scenario.topology, scenario.applications);
    if (mixed) return fail(*mixed);
    AddressPlan plan;
    for (const Application& one : scenario.applications) plan.own.push_back(one.attached->ipv4);
    return plan;
}

std::optional<ControlEnd> parse_control_end(std::string_view text) {
    constexpr std::string_view kTcp = "tcp://";
    if (text.starts_with(kTcp)) text.remove_prefix(kTcp.size());
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos || text.find('/') != std::string_view::npos) return {};
    const std::string_view digits = text.substr(colon + 1);
    ControlEnd end;
    const auto [last, status] =
        std::from_chars(digits.data(), digits.data() + digits.size(), end.port);
    if (status != std::errc{} || last != digits.data() + digits.size()) return {};
    end.ipv4 = parse_ipv4(text.substr(0, colon)).value_or(0);
    return end;
}

std::vector<std::uint16_t> spared_ports(const std::vector<ControlEnd>& ends,
                                        const AddressPlan& addresses,
                                        const std::vector<std::uint16_t>& more) {
    const bool needed = std::ranges::any_of(ends, [&addresses](const ControlEnd& end) {
        return end.ipv4 != 0 && std::ranges::find(addresses.own, end.ipv4) != addresses.own.end();
    });
    if (!needed) return {};
    std::vector<std::uint16_t> ports = more;
    for (const ControlEnd& end : ends) ports.push_back(end.port);
    std::ranges::sort(ports);
    const auto repeated = std::ranges::unique(ports);
    ports.erase(repeated.begin(), repeated.end());
    return ports;
}

Result<std::string> interface_with(std::uint32_t ipv4, const std::string& host,
                                   const std::vector<InterfaceAddress>& interfaces) {
    std::string others;
    for (const InterfaceAddress& one : interfaces) {
        if (one.ipv4 == ipv4) return one.interface;
        others += (others.empty() ? "" : ", ") + ipv4_text(one.ipv4) + " (" + one.interface + ")";
    }
    return fail("host " + host + ": this machine does not have the address " + ipv4_text(ipv4) +
                "; it has " + (others.empty() ? "none" : others) +
                ": correct `address:` or `attach:`");
}

}  // namespace pleat
