// SimulatedRun: simulated traffic, and a SharingMachine for each machine that acts on its
// counters: the whole loop, on a clock turned by hand. What one machine says the others
// hear a fixed time later; nothing is lost.
#pragma once

#include <map>
#include <memory>
#include <queue>
#include <vector>

#include "tests/sharing/sharing_machine.hh"
#include "tests/sharing/simulated_traffic.hh"

namespace pleat::testing {

class SimulatedRun {
  public:
    struct Message {
        Duration at{};
        std::vector<FlowState> flows;
    };

    struct Change {
        Duration at{};
        Bandwidth share = Bandwidth::unlimited();
    };

    // Host i is on machine i modulo `machines`.
    explicit SimulatedRun(Scenario scenario, std::size_t machines = 1,
                          Duration control_latency = std::chrono::milliseconds{2});

    const SimulatedTraffic& traffic() const { return traffic_; }

    FlowKey flow(std::string_view source, std::string_view destination) const {
        return traffic_.flow(source, destination);
    }

    // `sender` sends from now on; nothing: it stops, what waits drains.
    void send(FlowKey flow, std::unique_ptr<Sender> sender) {
        traffic_.send(flow, std::move(sender));
    }

    // A power failure: its senders end, its paths are cut.
    void crash(std::string_view host);

    // Goes on until `at`, in time since the start.
    void run_until(Duration at) { traffic_.run_until(at); }

    Duration now() const { return traffic_.now(); }

    // Updates, of all machines.
    const std::vector<Message>& messages() const { return messages_; }

    // By all machines, heartbeats too.
    Said said() const;

    // Share by share as it came into force.
    const std::vector<Change>& changes(FlowKey flow) const { return changes_.at(flow); }

    Bandwidth share(FlowKey flow) const;
    DemandState state(FlowKey flow) const;

    // The mean rate of departures between two instants of the past, in bits per second.
    double rate(FlowKey flow, Duration from, Duration to) const {
        return traffic_.rate(flow, from, to);
    }

    // The latest instant in [from, to) at which the share of some flow was not within
    // 5 % of what is expected; `from` when it always was.
    Duration settled(const std::map<FlowKey, double>& expected, Duration from, Duration to) const;

    bool idle() const;

  private:
    struct Delivery {
        Instant at;
        std::size_t from;
        std::string bytes;
    };

    SharingMachine::Outputs outputs_of(std::size_t machine);
    void hear_messages();

    SharingMachine& machine_of(FlowKey key) {
        return *machines_[key.source.value % machines_.size()];
    }

    Duration control_latency_;
    SimulatedTraffic traffic_;
    std::vector<std::unique_ptr<SharingMachine>> machines_;
    std::queue<Delivery> deliveries_;
    std::vector<Message> messages_;
    std::map<FlowKey, std::vector<Change>> changes_;
    std::map<FlowKey, DemandState> states_;
};

}  // namespace pleat::testing
