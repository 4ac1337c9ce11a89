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

    // How long the train occupies the link; asked when its path begins to send it.
    Ticks time_of(const Train& train) const {
        return transmission_time(train.bytes(overhead_), bandwidth_);
    }

    // A train that takes `time`, and that its path's clock finished at `finish`. True: it
    // leaves now. False: it waits, and leaves by leave().
    bool ask(FlowIndex flow, Ticks time, FineInstant finish, FineInstant now);

    // When the next of those that wait leaves.
    std::optional<FineInstant> next() const;

    // At next() or later: whose train leaves. Then that flow may ask again; then choose().
    FlowIndex leave(FineInstant now);

    // Picks who leaves next.
    void choose();

    // The flow's train is gone.
    void withdraw(FlowIndex flow);

  private:
    struct Waiting {
        FineInstant finish;
        FlowIndex flow;
        Ticks time;

        friend auto operator<=>(const Waiting&, const Waiting&) = default;
    };

    Bandwidth bandwidth_ = Bandwidth::unlimited();
    Overhead overhead_;
    Ticks credit_{};
    FineInstant last_;  // when the latest left
    std::optional<Waiting> chosen_;
    FineInstant chosen_leaves_;
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

    // At next() or later.
    Passing leave(FineInstant now);

  private:
    Ticks time_of(const Train& train) const {
        return transmission_time(train.bytes(overhead_), bandwidth_);
    }

    Bandwidth bandwidth_ = Bandwidth::unlimited();
    Overhead overhead_;
    FineInstant last_;
    Ring<Passing> queue_;
    std::int64_t queued_bytes_ = 0;  // IP
};

}  // namespace pleat
