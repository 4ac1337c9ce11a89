// Placement: which machine each host runs on.
//
// (1) The same for the same problem, in whatever order machines, hosts and links were told:
//     ties are broken by id, machines are numbered by name.
// (2) A rule of a host (`place:`) is kept to or the placement fails and says why; what the
//     rules leave open is balanced by capacity: within one host of each machine's share, unless
//     rules or room stand against it.
// (3) Within that, hosts behind heavy links stay together; the rule is in
//     docs/design/placement.md.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.hh"
#include "model/topology.hh"

namespace pleat {

// Machines of an experiment, 0 .. machines-1, in name order.
using MachineId = Id<struct MachineTag>;

struct Machine {
    std::string name;
    std::vector<std::string> labels{};
    double capacity = 1.0;                // any unit, above 0: cores, mostly
    std::optional<std::uint32_t> room{};  // hosts that it can still take; nothing: no limit

    friend bool operator==(const Machine&, const Machine&) = default;
};

struct PlaceAnywhere {
    friend bool operator==(PlaceAnywhere, PlaceAnywhere) = default;
};

struct PlaceOnMachine {
    std::string name;

    friend bool operator==(const PlaceOnMachine&, const PlaceOnMachine&) = default;
};

// On any machine that has the label.
struct PlaceByLabel {
    std::string label;

    friend bool operator==(const PlaceByLabel&, const PlaceByLabel&) = default;
};

// Replicas of the group on as many machines as there are.
struct PlaceSpread {
    friend bool operator==(PlaceSpread, PlaceSpread) = default;
};

// Replicas of the group on one machine, or on the fewest that have room for them.
struct PlacePack {
    friend bool operator==(PlacePack, PlacePack) = default;
};

using PlaceRule = std::variant<PlaceAnywhere, PlaceOnMachine, PlaceByLabel, PlaceSpread, PlacePack>;

// "m1" or "machine:m1", "label:fast", "spread", "pack". Fails on an empty name.
Result<PlaceRule> parse_place_rule(std::string_view text);

std::string place_rule_text(const PlaceRule& rule);  // "" for PlaceAnywhere

// For each host, by HostId, its machine.
using Placement = std::vector<MachineId>;

// `machines` in name order (asserted, and that there is one); `rules` by HostId, or empty for
// none. Hosts of each group of `together` that no rule places go to one machine, with those that
// one does, as far as there is room; the largest group first. Fails when a rule names what is not
// there or the machines have no room.
Result<Placement> place_hosts(const Topology& topology, std::span<const Machine> machines,
                              std::span<const PlaceRule> rules = {},
                              std::span<const std::vector<HostId>> together = {});

// What the placement parts, in bits per second: of each link the bandwidth, if its two ends are
// on different machines, when each bridge is on the machine that makes this least (found by
// local search: never below the true least). Unlimited links count as the heaviest other one.
double parted_bandwidth(const Topology& topology, const Placement& placement);

}  // namespace pleat
