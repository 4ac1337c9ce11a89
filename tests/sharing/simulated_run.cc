#include "tests/sharing/simulated_run.hh"

#include <algorithm>
#include <cmath>

namespace pleat::testing {

SimulatedRun::SimulatedRun(Scenario scenario, std::size_t machines, Duration control_latency)
    : control_latency_{control_latency},
      traffic_{std::move(scenario),
               {.activated =
                    [this](const std::shared_ptr<const PathTable>& table) {
                        for (const auto& machine : machines_) {
                            machine->sharer().table_activated(table, traffic_.clock());
                        }
                    },
                .step = [this] { hear_messages(); },
                .started =
                    [this](const FlowStarted& started) {
                        machine_of(started.flow).sharer().flow_started(started, started.at);
                    },
                .tick =
                    [this] {
                        for (const auto& machine : machines_) machine->tick(traffic_.clock());
                    }}} {
    for (std::size_t i = 0; i < machines; ++i) {
        machines_.push_back(std::make_unique<SharingMachine>(
            "m" + std::to_string(i), traffic_.folder(), traffic_.first_table(),
            traffic_.clock() + std::chrono::milliseconds{10 + 110 * i}, outputs_of(i)));
    }
}

SharingMachine::Outputs SimulatedRun::outputs_of(std::size_t machine) {
    SharingMachine::Outputs outputs;
    outputs.say = [this, machine](const std::string& bytes) {
        deliveries_.push({traffic_.clock() + control_latency_, machine, bytes});
    };
    outputs.published = [this](const std::vector<FlowState>& flows) {
        for (const FlowState& flow : flows) states_.insert_or_assign(flow.flow, flow.state);
        messages_.push_back({now(), flows});
    };
    outputs.caps = [this](const std::vector<FlowCap>& caps) {
        for (const FlowCap& cap : caps) traffic_.set_cap(cap.flow, cap.cap);
    };
    outputs.share = [this](FlowKey flow, Bandwidth share) {
        changes_[flow].push_back({now(), share});
    };
    return outputs;
}

void SimulatedRun::hear_messages() {
    while (!deliveries_.empty() && deliveries_.front().at <= traffic_.clock()) {
        const Delivery next = std::move(deliveries_.front());
        deliveries_.pop();
        for (std::size_t machine = 0; machine < machines_.size(); ++machine) {
            if (machine == next.from) continue;
            machines_[machine]->hear(machines_[next.from]->name(), next.bytes, traffic_.clock());
        }
    }
}

void SimulatedRun::crash(std::string_view name) {
    const HostId host = traffic_.scenario().topology.find_host(name).value();
    traffic_.cut(host);
    for (const auto& machine : machines_) machine->sharer().host_crashed(host, traffic_.clock());
}

bool SimulatedRun::idle() const {
    return std::all_of(machines_.begin(), machines_.end(),
                       [](const auto& machine) { return machine->sharer().idle(); });
}

Said SimulatedRun::said() const {
    Said all;
    for (const auto& machine : machines_) all += machine->said();
    return all;
}

Bandwidth SimulatedRun::share(FlowKey flow) const {
    return changes_.at(flow).back().share;
}

DemandState SimulatedRun::state(FlowKey flow) const {
    const auto found = states_.find(flow);
    return found == states_.end() ? DemandState::gone() : found->second;
}

Duration SimulatedRun::settled(const std::map<FlowKey, double>& expected, Duration from,
                               Duration to) const {
    Duration last = from;
    for (const auto& [flow, rate] : expected) {
        const std::vector<Change>& changes = changes_.at(flow);
        for (std::size_t i = 0; i < changes.size(); ++i) {
            const Duration until = i + 1 < changes.size() ? changes[i + 1].at : to;
            const auto share = static_cast<double>(changes[i].share.bits_per_second());
            const bool wrong = std::abs(share - rate) > 0.05 * rate;
            if (wrong && until > from && changes[i].at < to) {
                last = std::max(last, std::min(until, to));
            }
        }
    }
    return last;
}

}  // namespace pleat::testing
