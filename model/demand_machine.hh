// DemandMachine: what one flow demands, judged at its source from its counters.
//
//     IDLE --start()--> MOUSE --many packets, or it waits--> LIMITED(D) <--> GREEDY
//      ^                  ^------- few packets ----------------|               |
//      +---- queue empty and silent (2) -------------+--------+---------------+
//
// (1) IDLE and MOUSE are published as gone; they are not in anyone's solution. A mouse has,
//     in the last second, sent at most 10 packets and a tenth of its cap, and waited at
//     most 10 ms. Who was more than that becomes one again with at most 5 packets and a
//     twentieth, so that the ACKs of a link of 128 kbit/s (10.6 a second) do not come
//     and go.
// (2) Idle is absolute, never a part of the path: for max(100 ms, 3 packets of 1514 bytes
//     at the cap) the queue has been empty and no byte has entered it. (A sender that
//     waits until a long queue has drained is not idle at the end of it.)
// (3) Hot: backlogged for half of max(50 ms, 8 packets at the cap), what surely follows
//     from the bytes that wait counted too; or usage of 95 % of the cap. Hot is GREEDY.
// (4) Usage is the mean over min(1 s, max(50 ms, 2 RTT, 40 packets at the cap)): one packet
//     more or less is not a change of demand.
// (5) Down is slow, up is fast. A demand falls only after max(0.5 s, 10 RTT, 8 packets at
//     the cap, 1.5 windows of (4)) of low and not growing use, to the highest use of that time: TCP
//     that recovers from a loss and BBR that probes the RTT (200 ms) or grows (once in 8 RTT) stay
//     what they are. Each time the demand rises again soon after, the next fall waits twice as
//     long, at most 8 times; so does a fall by less than 2 % of the cap, which gives the others
//     next to nothing (ACKs that follow their data's rate).
// (6) A GREEDY flow is not judged within max(0.2 s, 4 RTT) of a change of its cap.
// (7) A starting flow's demand runs ahead of its use: TCP doubles every RTT, and the
//     others must have made room when it comes.
// (8) The share of a GREEDY flow never changes its state by itself: no cascades.
#pragma once

#include <cstdint>
#include <optional>

#include "model/demand.hh"
#include "model/flow_history.hh"

namespace pleat {

// One look at a flow. `count` is what has departed, `queued` what waits or departs.
struct FlowReading {
    FlowCount count;
    DataSize queued = DataSize::bytes(0);
    Instant last_arrival;  // of a packet, to the queue
};

// What the flow may have now: the lesser of its path's bandwidth and its cap.
struct FlowTerms {
    Bandwidth cap = Bandwidth::unlimited();
    Duration rtt{};
};

class DemandMachine {
  public:
    enum class Phase : std::uint8_t { idle, mouse, limited, greedy };

    // A byte has come after idleness; `before`: the count before it.
    void start(const FlowCount& before);

    // A flow that is under way and was judged so until now.
    void resume(const FlowCount& now, DemandState state);

    // Looks at the flow, each tick while it is not idle. Returns the state to publish,
    // when it is another than the last.
    std::optional<DemandState> observe(const FlowReading& reading, const FlowTerms& terms);

    // To IDLE at once. Returns the state to publish, as observe() does.
    std::optional<DemandState> stop();

    Phase phase() const { return phase_; }

    // As published.
    DemandState state() const { return state_; }

    const FlowCount& latest() const { return history_.latest(); }

    // A flow that has been idle for more than 10 s and has this is like one that never was.
    bool is_like_new() const { return phase_ == Phase::idle && state_.is_gone() && patience_ == 1; }

    // How long a flow with this cap must be silent to be idle (2).
    static Duration idle_after(Bandwidth cap);

  private:
    class Measures;

    // What follows from a cap alone; asked for again and again with the same one.
    struct CapTimes {
        std::optional<Bandwidth> cap;
        Duration packet{};
        Duration idle_after{};
    };

    const CapTimes& times_of(Bandwidth cap);
    void note_cap(Instant now, double cap);
    DemandState judge(Measures& now, const FlowTerms& terms);
    DemandState judge_limited(Measures& now, const FlowTerms& terms);
    DemandState judge_greedy(Measures& now, const FlowTerms& terms);
    DemandState become_limited(Instant now, double demand);
    DemandState become_greedy(Instant now);
    DemandState raised(Measures& now) const;
    bool held_low(bool low, Measures& now, const FlowTerms& terms, int patience);
    void note_rise(Instant now);
    void note_fall(Instant now);

    Phase phase_ = Phase::idle;
    DemandState state_ = DemandState::gone();
    FlowHistory history_;
    CapTimes times_;
    Instant since_;          // of the present phase
    Instant busy_at_;        // when the queue was last seen not to be empty
    bool starting_ = false;  // (7)
    double steady_cap_ = 0.0;
    Instant cap_changed_;
    // (5): since when use is low, and its highest value since, but for the first window,
    // which still sees what was before.
    std::optional<Instant> low_since_;
    double low_peak_ = 0.0;
    Instant last_rise_;
    Instant last_fall_;
    bool has_fallen_ = false;
    int patience_ = 1;
};

}  // namespace pleat
