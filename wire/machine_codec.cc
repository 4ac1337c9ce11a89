// Messages about machines, and about runs that are kept.
#include "wire/machine_codec.hh"

#include <utility>

#include "control.pb.h"
#include "wire/run_codec.hh"
#include "wire/scenario_codec.hh"

namespace pleat::codec {

void put(const RunInfo& info, proto::RunInfo& out) {
    out.set_run(info.run);
    out.set_name(info.name);
    out.set_state(info.state);
    out.set_problem(info.problem);
    out.set_directory(info.directory);
    out.set_submitted_at(info.submitted_at);
    for (const std::string& machine : info.machines) out.add_machines(machine);
}

RunInfo run_info(const proto::RunInfo& in) {
    return {.run = in.run(),
            .name = in.name(),
            .state = in.state(),
            .problem = in.problem(),
            .directory = in.directory(),
            .submitted_at = in.submitted_at(),
            .machines = {in.machines().begin(), in.machines().end()}};
}

void put(const RunDetails& details, proto::RunDetails& out) {
    put(details.info, *out.mutable_info());
    put(details.scenario, *out.mutable_scenario());
    put(details.results, *out.mutable_results());
}

RunDetails run_details(const proto::RunDetails& in, Refusal& refusal) {
    return {.info = run_info(in.info()),
            .scenario = scenario(in.scenario(), refusal),
            .results = run_finished(in.results(), refusal)};
}

void put(const Machines& machines, proto::Machines& out) {
    for (const MachineInfo& machine : machines.machines) {
        proto::MachineInfo& added = *out.add_machines();
        added.set_name(machine.name);
        for (const std::string& label : machine.labels) added.add_labels(label);
        added.set_connected(machine.connected);
        added.set_version(machine.version);
        if (machine.room) added.set_room_hosts(*machine.room);
        added.set_hosts(machine.hosts);
        if (machine.round_trip) added.set_round_trip_ns(machine.round_trip->count());
        if (machine.clock_error) added.set_clock_error_ns(machine.clock_error->count());
    }
}

Machines machines(const proto::Machines& in) {
    Machines result;
    for (const proto::MachineInfo& each : in.machines()) {
        MachineInfo& machine = result.machines.emplace_back();
        machine.name = each.name();
        machine.labels = {each.labels().begin(), each.labels().end()};
        machine.connected = each.connected();
        machine.version = each.version();
        if (each.has_room_hosts()) machine.room = each.room_hosts();
        machine.hosts = each.hosts();
        if (each.has_round_trip_ns()) machine.round_trip = Duration{each.round_trip_ns()};
        if (each.has_clock_error_ns()) machine.clock_error = Duration{each.clock_error_ns()};
    }
    return result;
}

}  // namespace pleat::codec
