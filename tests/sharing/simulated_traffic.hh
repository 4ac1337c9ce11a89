// SimulatedTraffic: a topology with events, senders on its hosts and the paths between them,
// on a clock turned by hand. Who decides on the caps of flows hears what a data plane
// would tell.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "model/epochs.hh"
#include "model/path.hh"
#include "tests/sharing/simulated_path.hh"
#include "tests/sharing/simulated_senders.hh"

namespace pleat::testing {

class SimulatedTraffic {
  public:
    static constexpr Instant kStart{std::chrono::seconds{1000}};

    // In this order in each step; each may be empty.
    struct Hooks {
        std::function<void(std::shared_ptr<const PathTable>)> activated;
        std::function<void()> step;  // before packets move
        std::function<void(const FlowStarted&)> started;
        std::function<void()> tick;  // every 10 ms, after packets have moved
    };

    SimulatedTraffic(Scenario scenario, Hooks hooks);

    const Scenario& scenario() const { return scenario_; }

    const PathFolder& folder() const { return folder_; }

    // Of epoch 0.
    const std::shared_ptr<const PathTable>& first_table() const { return tables_.front(); }

    FlowKey flow(std::string_view source, std::string_view destination) const;

    // `sender` sends from now on; nothing: it stops, what waits drains.
    void send(FlowKey flow, std::unique_ptr<Sender> sender);

    void set_cap(FlowKey flow, Bandwidth cap) { flows_.at(flow).cap = cap; }

    // The host's senders end, its paths are cut.
    void cut(HostId host);

    void run_until(Duration at);

    Instant clock() const { return now_; }

    Duration now() const { return now_ - kStart; }

    // Has it ever had a sender?
    bool has(FlowKey flow) const { return flows_.contains(flow); }

    const FlowCounters& counters(FlowKey flow) const { return *flows_.at(flow).path.counters(); }

    // The mean rate of departures between two instants of the past, in bits per second.
    double rate(FlowKey flow, Duration from, Duration to) const;

  private:
    struct Flow {
        explicit Flow(std::int64_t packet_bytes) : path{packet_bytes} {}

        SimulatedPath path;
        std::unique_ptr<Sender> sender;
        Bandwidth cap = Bandwidth::unlimited();
        Instant last_packet;
        bool acknowledges = false;        // its packets are ACKs of the reverse flow
        std::deque<std::int64_t> covers;  // of ACKs in the queue: packets
        std::deque<std::pair<Instant, std::int64_t>> arriving;
        std::deque<std::pair<Instant, std::int64_t>> losses;
        std::vector<std::uint64_t> bytes_at;  // every 10 ms
    };

    void step();
    void switch_epochs();
    void offer(FlowKey key, Flow& flow, std::int64_t packets, std::int64_t packets_each);
    void deliver(FlowKey key, Flow& flow);
    Flow& acknowledgements_of(FlowKey key);
    const Path* path(FlowKey key) const;

    Scenario scenario_;
    Hooks hooks_;
    Epochs epochs_;
    std::vector<std::shared_ptr<const PathTable>> tables_;
    std::size_t epoch_ = 0;
    PathFolder folder_;
    std::map<FlowKey, Flow> flows_;
    std::vector<std::pair<FlowKey, Flow*>> in_order_;  // all of flows_
    mutable std::map<FlowKey, std::optional<Path>> paths_;
    std::vector<HostId> cut_;
    Instant now_ = kStart;
};

}  // namespace pleat::testing
