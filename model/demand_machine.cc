#include "model/demand_machine.hh"

#include <algorithm>
#include <cmath>

#include "base/error.hh"

namespace pleat {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr DataSize kPacket = DataSize::bytes(1514);

constexpr Duration kMouseWindow = seconds{1};

struct MouseLimits {
    std::uint64_t packets;
    double part_of_cap;
};

constexpr MouseLimits kMouse{10, 0.1};
constexpr MouseLimits kMouseAgain{5, 0.05};
constexpr Duration kMouseWait = milliseconds{10};

constexpr Duration kSilence = milliseconds{100};
constexpr Duration kShortWindow = milliseconds{50};
constexpr Duration kLongWindow = seconds{1};
constexpr Duration kGrowthTime = milliseconds{200};

constexpr double kHotBacklog = 0.5;
constexpr double kHotUsage = 0.95;
constexpr double kColdBacklog = 0.1;
constexpr double kColdUsage = 0.85;

// A limit's room above use, and how much less it must be to be worth a change.
constexpr double kHeadroom = 1.08;
constexpr double kWorthChange = 0.95;
constexpr double kNearLimit = 0.98;
constexpr double kRaise = 1.25;

// (7): while use doubles, the demand is this much ahead; it is published anew when it
// is that much higher.
constexpr double kStartRaise = 2.0;
constexpr double kDoublingRaise = 3.0;
constexpr double kStartStep = 1.25;
constexpr double kDoubling = 1.5;
constexpr Duration kStartTime = milliseconds{500};

constexpr Duration kHold = milliseconds{500};
constexpr int kMostPatience = 8;
constexpr double kSlight = 0.02;  // of the cap
constexpr Duration kSoon = seconds{5};
constexpr Duration kCalm = seconds{10};

double bits(Bandwidth rate) {
    return rate.is_unlimited() ? std::numeric_limits<double>::infinity()
                               : static_cast<double>(rate.bits_per_second());
}

DemandState limited_to(double bits_per_second) {
    if (!(bits_per_second < 1e15)) return DemandState::greedy();
    return DemandState::limited(
        Bandwidth::bits_per_second(std::max<std::int64_t>(1, std::llround(bits_per_second))));
}

}  // namespace

// What a look shows, in bits per second; worked out when it is asked for, and no more: with
// thousands of flows each step back in a history is a wait for memory.
class DemandMachine::Measures {
  public:
    Measures(const FlowHistory& history, const FlowReading& reading, const FlowTerms& terms,
             Duration packet, bool published)
        : now{reading.count.at},
          cap{bits(terms.cap)},
          history_{history},
          reading_{reading},
          terms_{terms},
          packet_{packet},
          published_{published} {}

    const Instant now;
    const double cap;

    // (4)
    Duration usage_window() const {
        return std::clamp<Duration>(std::max<Duration>(terms_.rtt * 2, packet_ * 40), kShortWindow,
                                    kLongWindow);
    }

    double usage() {
        if (!usage_) usage_ = history_.bits_per_second(usage_window());
        return *usage_;
    }

    // Over a window of 50 ms, or 10 packets at the cap.
    double burst() const { return history_.bits_per_second(burst_window()); }

    // An RTT ago.
    double earlier_burst() const {
        const Duration round =
            std::clamp<Duration>(terms_.rtt, kShortWindow, FlowHistory::kReach - burst_window());
        return history_.bits_per_second(burst_window(), round);
    }

    // Part of the time, 0 .. 1.
    double backlog() {
        if (!backlog_) backlog_ = history_.waiting(backlog_window());
        return *backlog_;
    }

    bool hot() {
        // All that is queued but the last packet has another behind it.
        const DataSize behind = std::max(reading_.queued, kPacket) - kPacket;
        const double soon = static_cast<double>((behind / terms_.cap).count()) /
                            static_cast<double>(backlog_window().count());
        return backlog() + soon >= kHotBacklog || usage() >= kHotUsage * cap;
    }

    bool growing() {
        const double earlier = history_.bits_per_second(usage_window(), kGrowthTime);
        const double two_packets = 2.0 * 8e9 * static_cast<double>(kPacket.bytes()) /
                                   static_cast<double>(usage_window().count());
        return usage() > 1.10 * earlier && usage() > earlier + two_packets;
    }

    // As a mouse is.
    bool small() const {
        const MouseLimits& most = published_ ? kMouseAgain : kMouse;
        return history_.packets(kMouseWindow) <= most.packets &&
               history_.bits_per_second(kMouseWindow) <= most.part_of_cap * cap &&
               history_.waited(kMouseWindow) <= kMouseWait;
    }

  private:
    Duration burst_window() const {
        return std::clamp<Duration>(packet_ * 10, kShortWindow, kLongWindow);
    }

    Duration backlog_window() const {
        return std::clamp<Duration>(packet_ * 8, kShortWindow, FlowHistory::kReach);
    }

    const FlowHistory& history_;
    const FlowReading& reading_;
    const FlowTerms& terms_;
    Duration packet_;
    bool published_;
    std::optional<double> usage_;
    std::optional<double> backlog_;
};

Duration DemandMachine::idle_after(Bandwidth cap) {
    return std::max(kSilence, kPacket * 3 / cap);
}

void DemandMachine::start(const FlowCount& before) {
    PLEAT_ASSERT(phase_ == Phase::idle);
    phase_ = Phase::mouse;
    history_.restart(before);
    since_ = busy_at_ = before.at;
    low_since_.reset();
    steady_cap_ = 0.0;
    cap_changed_ = before.at;
}

void DemandMachine::resume(const FlowCount& now, DemandState state) {
    start(now);
    state_ = state;
    if (state.is_greedy()) phase_ = Phase::greedy;
    if (state.is_limited()) phase_ = Phase::limited;
}

std::optional<DemandState> DemandMachine::stop() {
    phase_ = Phase::idle;
    history_.clear();
    if (state_.is_gone()) return std::nullopt;
    return state_ = DemandState::gone();
}

std::optional<DemandState> DemandMachine::observe(const FlowReading& reading,
                                                  const FlowTerms& terms) {
    PLEAT_ASSERT(phase_ != Phase::idle);
    history_.record(reading.count);
    if (reading.queued > DataSize::bytes(0)) busy_at_ = reading.count.at;
    const Instant last = std::max(reading.last_arrival, busy_at_);
    const CapTimes& times = times_of(terms.cap);
    if (reading.count.at - last >= times.idle_after) return stop();

    note_cap(reading.count.at, bits(terms.cap));
    Measures now{history_, reading, terms, times.packet, !state_.is_gone()};
    const DemandState before = state_;
    state_ = judge(now, terms);
    if (state_ == before) return std::nullopt;
    return state_;
}

const DemandMachine::CapTimes& DemandMachine::times_of(Bandwidth cap) {
    if (times_.cap != cap) times_ = {cap, kPacket / cap, idle_after(cap)};
    return times_;
}

void DemandMachine::note_cap(Instant now, double cap) {
    const bool same = cap == steady_cap_ || std::abs(cap - steady_cap_) <= 0.05 * steady_cap_;
    if (same) return;
    steady_cap_ = cap;
    cap_changed_ = now;
}

DemandState DemandMachine::judge(Measures& now, const FlowTerms& terms) {
    switch (phase_) {
        case Phase::idle:
            break;
        case Phase::mouse:
            if (now.small()) return DemandState::gone();
            if (now.hot()) return become_greedy(now.now);
            starting_ = true;
            return become_limited(now.now, raised(now).rate());
        case Phase::limited:
            return judge_limited(now, terms);
        case Phase::greedy:
            return judge_greedy(now, terms);
    }
    return state_;
}

DemandState DemandMachine::judge_limited(Measures& now, const FlowTerms& terms) {
    const double demand = state_.rate();
    if (now.hot()) {
        note_rise(now.now);
        return become_greedy(now.now);
    }
    if (starting_ && now.now - since_ >= kStartTime && !now.growing()) starting_ = false;
    if (now.now - since_ >= kMouseWindow && now.small()) {
        phase_ = Phase::mouse;
        since_ = now.now;
        return DemandState::gone();
    }
    if (starting_ ? raised(now).rate() >= kStartStep * demand : now.usage() > kNearLimit * demand) {
        if (!starting_) note_rise(now.now);
        low_since_.reset();
        return raised(now);
    }
    const bool low = kHeadroom * now.usage() < kWorthChange * demand && !now.growing();
    const bool slight = demand - kHeadroom * now.usage() < kSlight * now.cap;
    if (!held_low(low, now, terms, slight ? kMostPatience : patience_)) return state_;
    const DemandState lower = limited_to(kHeadroom * low_peak_);
    low_since_.reset();
    if (lower >= state_) return state_;
    note_fall(now.now);
    return lower;
}

DemandState DemandMachine::judge_greedy(Measures& now, const FlowTerms& terms) {
    const Duration settle = std::max<Duration>(milliseconds{200}, terms.rtt * 4);
    const bool low = now.now - cap_changed_ >= settle && now.backlog() < kColdBacklog &&
                     now.usage() < kColdUsage * now.cap && !now.hot() && !now.growing();
    if (!held_low(low, now, terms, patience_)) return state_;
    note_fall(now.now);
    starting_ = false;
    return become_limited(now.now, kHeadroom * low_peak_);
}

DemandState DemandMachine::become_limited(Instant now, double demand) {
    phase_ = Phase::limited;
    since_ = now;
    low_since_.reset();
    return limited_to(demand);
}

DemandState DemandMachine::become_greedy(Instant now) {
    phase_ = Phase::greedy;
    since_ = now;
    low_since_.reset();
    return DemandState::greedy();
}

// The limit that a flow gets whose use is at its limit, or is about to be.
DemandState DemandMachine::raised(Measures& now) const {
    if (!starting_) return limited_to(kRaise * now.usage());
    const double burst = now.burst();
    const bool doubles = burst >= kDoubling * now.earlier_burst();
    return limited_to((doubles ? kDoublingRaise : kStartRaise) * burst);
}

// Whether use has been low for long enough to believe it (5).
bool DemandMachine::held_low(bool low, Measures& now, const FlowTerms& terms, int patience) {
    if (!low) {
        low_since_.reset();
        return false;
    }
    if (!low_since_) {
        low_since_ = now.now;
        low_peak_ = 0.0;
    }
    const Duration low_for = now.now - *low_since_;
    if (low_for >= now.usage_window()) low_peak_ = std::max(low_peak_, now.usage());
    const Duration hold = std::max(
        {Duration{kHold}, terms.rtt * 10, kPacket * 8 / terms.cap, now.usage_window() * 3 / 2});
    return low_for >= hold * patience;
}

void DemandMachine::note_rise(Instant now) {
    if (has_fallen_ && now - last_fall_ < kSoon) {
        patience_ = std::min(patience_ * 2, kMostPatience);
    }
    has_fallen_ = false;
    last_rise_ = now;
}

void DemandMachine::note_fall(Instant now) {
    if (now - last_rise_ > kCalm) patience_ = 1;
    has_fallen_ = true;
    last_fall_ = now;
}

}  // namespace pleat
