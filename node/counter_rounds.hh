// CounterRounds: when a run's data plane is asked for its counters, and what becomes of them.
//
// (1) Every 10 ms while a flow is active: demands, and from them shares.
// (2) Every sample interval from T0 on, where samples are wanted: into the log, with how late the
//     plane has been in it.
// (3) Every second from T0 on: whoever conducts the run says how far it is.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include <boost/asio/io_context.hpp>

#include "node/dataplane/data_plane.hh"
#include "node/repeating_timer.hh"
#include "node/run_recorder.hh"
#include "node/sharing/sharer.hh"

namespace pleat {

class CounterRounds {
  public:
    // All must outlive it.
    CounterRounds(boost::asio::io_context& loop, DataPlane& plane, Sharer& sharer,
                  RunRecorder& recorder, Duration sample_interval,
                  std::function<void(Instant)> each_second)
        : plane_{plane},
          sharer_{sharer},
          recorder_{recorder},
          each_second_{std::move(each_second)},
          share_timer_{loop, kShareTick, [this](Instant now) { share(now); }},
          sample_timer_{loop, sample_interval, [this](Instant now) { sample(now); }},
          second_timer_{loop, std::chrono::seconds{1}, [this](Instant now) { second(now); }} {}

    // There may be an active flow.
    void share_if_active() {
        if (!sharer_.idle()) share_timer_.start();
    }

    void begin(Instant t0, bool with_samples) {
        plane_.take_worst_lateness();  // of before
        if (with_samples) sample_timer_.start_from(t0);
        second_timer_.start_from(t0);
    }

    void stop() {
        share_timer_.stop();
        sample_timer_.stop();
        second_timer_.stop();
        plane_.read_counters(monotonic_now());
    }

    // Of a plane that was taken over: what it counts may go on from where it was.
    void taken_over() { bytes_before_.reset(); }

    // That the hosts' packets had since the last call.
    std::uint64_t bytes_since() {
        const std::uint64_t bytes = plane_.totals().bytes_out;
        return bytes - std::exchange(bytes_before_, bytes).value_or(bytes);
    }

  private:
    static constexpr Duration kShareTick = std::chrono::milliseconds{10};

    void share(Instant now) {
        plane_.read_counters(now);
        sharer_.tick(now);
        if (sharer_.idle()) share_timer_.stop();
    }

    void sample(Instant now) {
        plane_.read_counters(now);
        for (const FlowSample& flow : sharer_.sample(now)) recorder_.sample(flow, now);
        if (const auto worst = plane_.take_worst_lateness()) {
            recorder_.lateness(*worst, plane_.owed(), now);
        }
    }

    void second(Instant now) {
        plane_.read_counters(now);
        each_second_(now);
    }

    DataPlane& plane_;
    Sharer& sharer_;
    RunRecorder& recorder_;
    std::function<void(Instant)> each_second_;
    RepeatingTimer share_timer_;
    RepeatingTimer sample_timer_;
    RepeatingTimer second_timer_;
    std::optional<std::uint64_t> bytes_before_ = 0;
};

}  // namespace pleat
