// SimulatedRun: a topology with events, senders on its hosts, and a Sharer a machine that
// acts on their counters: the whole loop, on a clock turned by hand. What one machine
// publishes the others hear 2 ms later.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "model/epochs.hh"
#include "model/path.hh"
#include "node/sharing/sharer.hh"
#include "tests/sharing/simulated_path.hh"
#include "tests/sharing/simulated_senders.hh"

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
    explicit SimulatedRun(Scenario scenario, std::size_t machines = 1);

    FlowKey flow(std::string_view source, std::string_view destination) const;

    // `sender` sends from now on; nothing: it stops, what waits drains.
    void send(FlowKey flow, std::unique_ptr<Sender> sender);

    // A power failure: its senders end, its paths are cut.
    void crash(std::string_view host);

    // Goes on until `at`, in time since the start.
    void run_until(Duration at);

    Duration now() const { return now_ - kStart; }

    const std::vector<Message>& messages() const { return messages_; }

    Bandwidth share(FlowKey flow) const;
    DemandState state(FlowKey flow) const;

    // The mean rate of departures between two instants of the past, in bits per second.
    double rate(FlowKey flow, Duration from, Duration to) const;

    // The latest instant in [from, to) at which the share of some flow was not within
    // 5 % of what is expected; `from` when it always was.
    Duration settled(const std::map<FlowKey, double>& expected, Duration from, Duration to) const;

    bool idle() const;

  private:
    static constexpr Instant kStart{std::chrono::seconds{1000}};

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
    void offer(FlowKey key, Flow& flow, Instant now, std::int64_t packets,
               std::int64_t packets_each);
    void deliver(FlowKey key, Flow& flow, Instant now);
    Flow& acknowledgements_of(FlowKey key);
    SharerOutputs outputs_of(std::size_t machine);
    void hear_messages();

    Sharer& sharer_of(FlowKey key) { return *sharers_[key.source.value % sharers_.size()]; }

    std::optional<Path> path(FlowKey key) const;

    Scenario scenario_;
    Epochs epochs_;
    std::vector<std::shared_ptr<const PathTable>> tables_;
    std::size_t epoch_ = 0;
    PathFolder folder_;
    std::map<FlowKey, Flow> flows_;
    mutable std::map<FlowKey, std::optional<Path>> paths_;
    std::vector<HostId> cut_;
    std::vector<Message> messages_;
    std::vector<std::size_t> senders_;  // the machines, of messages_
    std::size_t heard_ = 0;             // so many of messages_
    std::map<FlowKey, std::vector<Change>> changes_;
    std::map<FlowKey, DemandState> states_;
    Instant now_ = kStart;
    std::vector<std::unique_ptr<Sharer>> sharers_;
};

}  // namespace pleat::testing
