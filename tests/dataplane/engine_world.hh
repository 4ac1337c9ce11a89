// A world for tests of the engine: a hand-turned clock, hosts by number, and a record of
// everything that leaves.
#pragma once

#include <map>
#include <vector>

#include "node/dataplane/engine.hh"

namespace pleat::testing {

using namespace std::chrono_literals;

inline FineInstant at(Duration since_start) {
    return FineInstant{since_start + 1h};
}

inline FlowKey flow(std::uint32_t source, std::uint32_t destination) {
    return {HostId{source}, HostId{destination}};
}

class EngineWorld : public Exit {
  public:
    struct Delivery {
        std::uint32_t packet = 0;
        std::uint16_t first = 0;
        std::uint16_t segments = 0;
        FlowKey flow;
        HostId destination;
        Ticks when{};    // it was due, since the start
        Ticks handed{};  // it was handed over: what the engine was told then
        Fate fate;
        std::int64_t bytes = 0;  // with Ethernet's header

        Duration time() const { return std::chrono::ceil<Duration>(when); }
    };

    explicit EngineWorld(std::size_t hosts = 4, std::uint64_t seed = 1)
        : engine{seed, hosts, *this} {}

    // Gives all flows of `shapes` a path, from `when` on; the others have none. What is due before
    // happens before, on time.
    void paths(std::map<FlowKey, FlowShape> shapes, Duration when = 0s) {
        run_until(when);
        engine.switch_paths(
            [shapes = std::move(shapes)](FlowKey key) -> std::optional<FlowShape> {
                const auto found = shapes.find(key);
                if (found == shapes.end()) return std::nullopt;
                return found->second;
            },
            at(when));
    }

    // A packet of `segments` segments that take `bytes` each on Ethernet. What is due before
    // happens before, on time.
    std::uint32_t send(FlowKey key, std::int32_t bytes, Duration when, std::uint16_t segments = 1,
                       std::uint8_t protocol = 17) {
        const auto packet = static_cast<std::uint32_t>(flows_.size());
        flows_.push_back(key);
        references_.push_back(1);
        const std::int32_t ip = bytes - Overhead::kEthernet;
        run_until(when);
        engine.arrive(key,
                      {.packet = packet,
                       .protocol = protocol,
                       .segments = segments,
                       .segment_bytes = ip,
                       .tail_bytes = ip},
                      at(when));
        return packet;
    }

    // Lets everything happen that is due until then, one wake-up for each event.
    void run_until(Duration when) {
        while (engine.next() && *engine.next() <= at(when)) wake(*engine.next());
        wake(at(when));
    }

    // One wake-up.
    void wake(FineInstant now) {
        told_ = std::max(told_, now);
        engine.advance(now);
    }

    std::vector<Duration> times() const {
        std::vector<Duration> all;
        all.reserve(delivered.size());
        for (const Delivery& one : delivered) all.push_back(one.time());
        return all;
    }

    // References that packets have: what is inside the engine.
    int references() const {
        int sum = 0;
        for (const int count : references_) sum += count;
        return sum;
    }

    const FlowCounters& counters(FlowKey key) const { return *counters_.at(key); }

    // A packet that has gone comes once more, from another machine.
    void hold_for_entry(std::uint32_t packet) { hold(packet); }

    std::vector<Delivery> delivered;
    std::vector<std::pair<FlowKey, Duration>> started;

  private:
    void deliver(const Train& train, HostId destination) override {
        delivered.push_back({.packet = train.packet,
                             .first = train.first,
                             .segments = train.segments,
                             .flow = flows_[train.packet],
                             .destination = destination,
                             .when = train.due - at(0s),
                             .handed = told_ - at(0s),
                             .fate = train.fate,
                             .bytes = train.bytes(Overhead{})});
        release(train.packet);
    }

    void hold(std::uint32_t packet) override { ++references_[packet]; }

    void release(std::uint32_t packet) override {
        PLEAT_ASSERT(references_[packet] > 0);
        --references_[packet];
    }

    void flow_started(FlowKey key, Instant when,
                      const std::shared_ptr<const FlowCounters>& counters) override {
        started.emplace_back(key, std::chrono::ceil<Duration>(FineInstant{when} - at(0s)));
        counters_[key] = counters;
    }

    FineInstant told_;
    std::vector<FlowKey> flows_;  // by packet
    std::vector<int> references_;
    std::map<FlowKey, std::shared_ptr<const FlowCounters>> counters_;

  public:
    Engine engine;
};

// A path over links of its own, with a queue that is never full.
inline FlowShape path(Bandwidth bandwidth, Duration latency = 0s, std::uint32_t link = 0) {
    FlowShape shape;
    shape.path.bandwidth = bandwidth;
    shape.path.latency = latency;
    shape.path.queue = DataSize::bytes(1'000'000'000);
    shape.uplink = AccessShape{.link = LinkId{link}};
    return shape;
}

}  // namespace pleat::testing
