// Uplink and Downlink: the clocks of a host's own links, which all its paths keep to, so
// that they are never exceeded, not even between two updates of the shares.
//
// Fluid form: leaves = max(asked, previous leaves + bytes/rate). A path that runs at the
// link's rate is not delayed at all; over any interval at most rate x interval and one
// train leave.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "model/path_element.hh"
#include "node/dataplane/flow_shape.hh"

namespace pleat {

// Flows by their place in the engine.
using FlowIndex = std::uint32_t;

// At the source. Each path asks for one train at a time; those that must wait leave in
// the order in which their paths' clocks finished them (the Virtual Clock discipline, Zhang
// 1990), so that each keeps its rate within the time of one train.
class Uplink {
  public:
    void reshape(const AccessShape& shape);

    // What a path that had to wait here may make good; see PathElement::depart.
    Ticks credit() const { return credit_; }

    // True: the train leaves now. False: it waits, and leaves by leave().
    bool ask(FlowIndex flow, const Train& train, FineInstant finish, FineInstant now);

    // When the next of those that wait leaves.
    std::optional<FineInstant> next() const;

    // At next(): whose train leaves. Then that flow may ask again; then choose().
    FlowIndex leave();

    // Picks who leaves next.
    void choose();

    // The flow's train is gone.
    void withdraw(FlowIndex flow);

  private:
    struct Waiting {
        FineInstant finish;
        FlowIndex flow;
        std::int64_t bytes;  // IP
        std::int64_t segments;

        friend auto operator<=>(const Waiting&, const Waiting&) = default;
    };

    Ticks time_of(std::int64_t ip_bytes, std::int64_t segments) const {
        return transmission_time(ip_bytes + segments * overhead_.bytes_per_packet, bandwidth_);
    }

    Bandwidth bandwidth_ = Bandwidth::unlimited();
    Overhead overhead_;
    Ticks credit_{};
    FineInstant last_{};  // when the latest left
    std::optional<Waiting> chosen_;
    FineInstant chosen_leaves_{};
    bool choosing_ = false;         // between leave() and choose()
    std::vector<Waiting> waiting_;  // a heap, least finish first
};

// At the destination: one queue in order of arrival.
class Downlink {
  public:
    struct Passing {
        Train train;
        FlowIndex flow = 0;
    };

    enum class Answer : std::uint8_t { passes, waits, full };

    void reshape(const AccessShape& shape);

    // `queue`: the most that may wait.
    Answer offer(const Passing& passing, DataSize queue, FineInstant now);

    bool waiting() const { return !queue_.empty(); }

    FineInstant next() const { return last_ + time_of(queue_.front().train); }

    const Passing& front() const { return queue_.front(); }

    // At next().
    Passing leave();

  private:
    Ticks time_of(const Train& train) const {
        return transmission_time(train.bytes(overhead_), bandwidth_);
    }

    Bandwidth bandwidth_ = Bandwidth::unlimited();
    Overhead overhead_;
    FineInstant last_{};
    Ring<Passing> queue_;
    std::int64_t queued_bytes_ = 0;  // IP
};

}  // namespace pleat
