// The planner.
#include "controller/planner.hh"

#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "base/error.hh"
#include "base/joined.hh"
#include "model/bare_metal.hh"
#include "model/near_hosts.hh"

namespace pleat {

namespace {

// Everything that a file may say and this build can't do; empty when there is nothing.
std::vector<std::string> missing_abilities(const Scenario& scenario) {
    std::vector<std::string> missing = scenario.not_yet;
    for (std::size_t i = 0; i < scenario.applications.size(); ++i) {
        for (const std::string& property : scenario.applications[i].not_yet) {
            missing.push_back(
                fmt::format("{} of host {}", property, scenario.topology.hosts()[i].name));
        }
    }
    return missing;
}

// One way, between two machines each: a few of all, from the nearest two to the farthest.
std::vector<Duration> latencies_to_try(const std::vector<UnderlayLink>& underlay) {
    constexpr std::size_t kMostTried = 8;
    std::vector<Duration> all;
    all.reserve(underlay.size());
    for (const UnderlayLink& link : underlay) all.push_back(link.round_trip / 2);
    std::ranges::sort(all);
    const auto repeated = std::ranges::unique(all);
    all.erase(repeated.begin(), repeated.end());
    if (all.size() <= kMostTried) return all;
    std::vector<Duration> some;
    some.reserve(kMostTried);
    for (std::size_t i = 0; i < kMostTried; ++i) {
        some.push_back(all[i * (all.size() - 1) / (kMostTried - 1)]);
    }
    return some;
}

}  // namespace

Result<std::vector<std::string>> placement_of(const Scenario& scenario,
                                              const std::vector<Machine>& machines,
                                              const std::vector<UnderlayLink>& underlay) {
    std::vector<PlaceRule> rules;
    rules.reserve(scenario.applications.size());
    for (const Application& application : scenario.applications) {
        if (application.attached) {
            rules.emplace_back(PlaceOnMachine{application.attached->machine});
        } else {
            rules.push_back(application.place);
        }
    }
    Result<Placement> placement = place_hosts(scenario.topology, machines, rules);
    if (!placement) return tl::unexpected{placement.error()};
    // As little as possible is put together: what suffices for the nearest machines, if it does.
    std::size_t wrong = paths_below_real(scenario.topology, *placement, underlay);
    for (const Duration latency : latencies_to_try(underlay)) {
        if (wrong == 0) break;
        Result<Placement> other =
            place_hosts(scenario.topology, machines, rules, near_hosts(scenario.topology, latency));
        if (!other) continue;
        const std::size_t still = paths_below_real(scenario.topology, *other, underlay);
        if (still >= wrong) continue;
        wrong = still;
        placement = std::move(other);
    }
    std::vector<std::string> result;
    result.reserve(placement->size());
    for (const MachineId machine : *placement) result.push_back(machines.at(machine.value).name);
    return result;
}

std::vector<MachinePart> parts_of(const std::vector<std::string>& machine_of_host) {
    std::map<std::string, std::vector<HostId>> hosts;
    for (std::uint32_t host = 0; host < machine_of_host.size(); ++host) {
        hosts[machine_of_host[host]].push_back(HostId{host});
    }
    std::vector<MachinePart> parts;
    parts.reserve(hosts.size());
    for (auto& [machine, its] : hosts) {
        parts.push_back({.machine = machine, .hosts = std::move(its)});
    }
    return parts;
}

Result<RunPlan> plan_run_on(const std::string& machine, Submit submit) {
    const std::size_t hosts = submit.scenario.topology.hosts().size();
    return plan_run(std::move(submit), std::vector<std::string>(hosts, machine));
}

Result<RunPlan> plan_run(Submit submit, const std::vector<std::string>& machine_of_host) {
    PLEAT_ASSERT(machine_of_host.size() == submit.scenario.topology.hosts().size());
    const Scenario& scenario = submit.scenario;
    if (submit.options.run.empty()) return fail("the run has no name");
    if (!submit.options.run_directory.starts_with('/')) {
        return fail(fmt::format("run {}: expected an absolute run directory, found '{}'",
                                submit.options.run, submit.options.run_directory));
    }
    if (scenario.topology.hosts().empty()) return fail("the topology has no host");
    const std::vector<std::string> missing = missing_abilities(scenario);
    if (!missing.empty()) {
        return fail(fmt::format("this build can't do yet: {}", joined(missing, ", ")));
    }
    const auto mixed = mixed_hosts(scenario.topology, scenario.applications);
    if (mixed) return fail(*mixed);
    for (std::size_t i = 0; i < scenario.applications.size(); ++i) {
        const auto& attached = scenario.applications[i].attached;
        if (!attached || attached->machine == machine_of_host[i]) continue;
        return fail(fmt::format(
            "host {} is the machine {}, which this controller does not have (pleat machines ls)",
            scenario.topology.hosts()[i].name, attached->machine));
    }
    Epochs epochs = compute_epochs(scenario);
    return RunPlan{.scenario = std::move(submit.scenario),
                   .source_text = std::move(submit.source_text),
                   .options = std::move(submit.options),
                   .epochs = std::move(epochs),
                   .parts = parts_of(machine_of_host)};
}

Submitted summary(const RunPlan& plan, Duration took) {
    const Topology& topology = plan.scenario.topology;
    const std::uint64_t hosts = topology.hosts().size();
    const auto hidden = std::ranges::count_if(topology.bridges(), &Bridge::hidden);
    return {.run = plan.options.run,
            .hosts = static_cast<std::uint32_t>(hosts),
            .bridges = static_cast<std::uint32_t>(topology.bridges().size() -
                                                  static_cast<std::size_t>(hidden)),
            .links = static_cast<std::uint32_t>(topology.links().size()),
            .epochs = static_cast<std::uint32_t>(plan.epochs.epochs.size()),
            .paths = hosts * (hosts - 1),
            .took = took};
}

PrepareRun first_push(const RunPlan& plan, const MachinePart& part, std::vector<Peer> peers) {
    PrepareRun push{.options = plan.options,
                    .scenario = plan.scenario,
                    .local_hosts = part.hosts,
                    .base = plan.epochs.base,
                    .epoch_starts = {},
                    .epoch_events = {},
                    .peers = std::move(peers)};
    for (const Epoch& epoch : plan.epochs.epochs) {
        push.epoch_starts.push_back(epoch.start);
        push.epoch_events.push_back(epoch.events);
    }
    return push;
}

std::vector<std::uint64_t> table_hashes(const Epochs& epochs) {
    std::vector<std::uint64_t> hashes{epochs.base.hash()};
    for (std::size_t i = 1; i < epochs.epochs.size(); ++i) {
        hashes.push_back(epochs.epochs[i].delta.hash);
    }
    return hashes;
}

std::string hash_text(std::uint64_t hash) {
    return fmt::format("{:016x}", hash);
}

}  // namespace pleat
