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

namespace {

void put(const MeasuredRate& rate, proto::MeasuredRate& out) {
    out.set_bits_per_second(rate.rate.bits_per_second());
    out.set_error_bits_per_second(rate.error_bps);
}

std::optional<MeasuredRate> measured_rate(bool there, const proto::MeasuredRate& in,
                                          Refusal& refusal) {
    if (!there) return {};
    const bool right = refusal.require(in.bits_per_second() > 0 && in.error_bits_per_second() >= 0,
                                       "a rate is not positive");
    if (!right) return {};
    return MeasuredRate{.rate = Bandwidth::bits_per_second(in.bits_per_second()),
                        .error_bps = in.error_bits_per_second()};
}

}  // namespace

void put(const WayQuality& quality, proto::WayQuality& out) {
    out.set_least_round_trip_ns(quality.round_trips.least.count());
    out.set_median_round_trip_ns(quality.round_trips.median.count());
    out.set_mtu_bytes(quality.mtu.bytes());
    if (quality.there) put(*quality.there, *out.mutable_there());
    if (quality.back) put(*quality.back, *out.mutable_back());
}

WayQuality way_quality(const proto::WayQuality& in, Refusal& refusal) {
    refusal.require(in.mtu_bytes() >= 0, "a size is negative");
    refusal.require(in.least_round_trip_ns() >= 0 && in.median_round_trip_ns() >= 0,
                    "a round trip is negative");
    return {.round_trips = {.least = Duration{in.least_round_trip_ns()},
                            .median = Duration{in.median_round_trip_ns()}},
            .mtu = DataSize::bytes(in.mtu_bytes()),
            .there = measured_rate(in.has_there(), in.there(), refusal),
            .back = measured_rate(in.has_back(), in.back(), refusal)};
}

void put(const Ways& ways, proto::Ways& out) {
    for (const WayInfo& way : ways.ways) {
        proto::WayInfo& added = *out.add_ways();
        added.set_from(way.from);
        added.set_to(way.to);
        if (way.quality) put(*way.quality, *added.mutable_quality());
        added.set_measured_at(way.measured_at);
        added.set_rates_measured_at(way.rates_measured_at);
        added.set_problem(way.problem);
        added.set_note(way.note);
    }
}

Ways ways(const proto::Ways& in, Refusal& refusal) {
    Ways result;
    for (const proto::WayInfo& each : in.ways()) {
        WayInfo& way = result.ways.emplace_back();
        way.from = each.from();
        way.to = each.to();
        if (each.has_quality()) way.quality = way_quality(each.quality(), refusal);
        way.measured_at = each.measured_at();
        way.rates_measured_at = each.rates_measured_at();
        way.problem = each.problem();
        way.note = each.note();
    }
    return result;
}

}  // namespace pleat::codec
