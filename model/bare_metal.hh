// Runs on machines as they are (`attach: machine:NAME`): the decisions. See
// docs/design/bare-metal.md.
//
// (1) All hosts of a run are machines as they are, or none: between the two kinds there is no
//     network.
// (2) A host's address is one that its machine has. What goes to any other address is not touched.
// (3) Where a control connection goes to such an address, the ports of all control connections are
//     spared, and ssh's: whoever could be locked out can't be.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/duration.hh"
#include "base/result.hh"
#include "model/addressing.hh"
#include "model/scenario.hh"

namespace pleat {

// A stop script is given so long.
constexpr Duration kStopPatience = std::chrono::seconds{30};

// How much longer than others a run may take to end.
Duration stop_patience(const Scenario& scenario);

// Some host is.
bool has_attached_hosts(const Scenario& scenario);

// What is against rule (1), as a sentence.
std::optional<std::string> mixed_hosts(const Topology& topology,
                                       const std::vector<Application>& applications);

// Of the scenario's `addresses:`, or of its attached machines.
Result<AddressPlan> address_plan(const Scenario& scenario);

// Where something of ours can be reached that must stay reachable.
struct ControlEnd {
    std::uint32_t ipv4 = 0;  // host byte order; 0: not of IPv4
    std::uint16_t port = 0;

    friend bool operator==(ControlEnd, ControlEnd) = default;
};

// Of "tcp://10.0.0.1:7400" or "10.0.0.1:7400"; nothing for ipc://.
std::optional<ControlEnd> parse_control_end(std::string_view text);

// Rule (3): ascending; empty where no end has an address of the run. `more`: beside those of the
// ends.
std::vector<std::uint16_t> spared_ports(const std::vector<ControlEnd>& ends,
                                        const AddressPlan& addresses,
                                        const std::vector<std::uint16_t>& more);

// An interface of this machine, and an address that it has.
struct InterfaceAddress {
    std::string interface;
    std::uint32_t ipv4 = 0;  // host byte order
};

// The interface that has the address of `host`; fails with what the machine has instead.
Result<std::string> interface_with(std::uint32_t ipv4, const std::string& host,
                                   const std::vector<InterfaceAddress>& interfaces);

}  // namespace pleat
