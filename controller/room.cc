#include "controller/room.hh"

#include <algorithm>

#include <fmt/format.h>

#include "base/joined.hh"
#include "controller/planner.hh"

namespace pleat {

namespace {

using SpokenFor = std::function<std::uint32_t(const std::string& machine)>;

// What the machines that are connected have left, by name.
std::vector<Machine> free_machines(const NodeRegistry& nodes, const Members& members,
                                   const SpokenFor& spoken_for) {
    std::vector<Machine> machines;
    for (const auto& [name, node] : nodes.all()) {
        if (!node.connected) continue;
        Machine& machine = machines.emplace_back(Machine{.name = name});
        const auto member = members.machines().find(name);
        if (member != members.machines().end()) machine.labels = member->second.labels;
        machine.capacity = std::max<double>(node.hello.processors, 1);
        if (!node.hello.room) continue;
        const std::uint32_t taken = spoken_for(name);
        machine.room = *node.hello.room > taken ? *node.hello.room - taken : 0;
    }
    return machines;
}

}  // namespace

Result<std::vector<std::string>> find_room(const Scenario& scenario, const NodeRegistry& nodes,
                                           const Members& members, const SpokenFor& spoken_for,
                                           const WaysByMachines& ways) {
    std::vector<Machine> machines = free_machines(nodes, members, spoken_for);
    const std::size_t hosts = scenario.topology.hosts().size();
    if (members.machines().empty() && machines.size() <= 1) {
        return std::vector<std::string>(hosts, machines.empty() ? "local" : machines.front().name);
    }
    if (machines.empty()) return fail("no machine is connected");
    std::size_t room = 0;
    std::vector<std::string> full;
    for (const Machine& machine : machines) {
        room += machine.room.value_or(static_cast<std::uint32_t>(hosts));
        if (!machine.room) continue;
        full.push_back(fmt::format("{} takes {} hosts, {} are spoken for", machine.name,
                                   *nodes.all().at(machine.name).hello.room,
                                   spoken_for(machine.name)));
    }
    if (room < hosts) {
        return fail(fmt::format("no room for {} hosts: {}", hosts, joined(full, "; ")));
    }
    std::vector<std::string> names;
    names.reserve(machines.size());
    for (const Machine& machine : machines) names.push_back(machine.name);
    return placement_of(scenario, machines, underlay_of(ways, names));
}

}  // namespace pleat
