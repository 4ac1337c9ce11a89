// NetworkTime: the time of an emulated network's links, which stand still while their machine is
// held up.
//
// A thread that is held up for some ms finds much overdue. If links sent all of it at once, they
// would be exceeded. So they do what real ones do that are frozen for a moment: nothing leaves
// meanwhile, then all goes on from there. Afterwards their time is slewed, as a clock that was
// found slow:
//
//     machine's time  ------------|  held up  |------------------------------>
//     network's time  ------------|-------------------->
//                                  behind by as much, less and less
//
// (1) It never goes back and never jumps. While it is behind it is faster than the machine's: by
//     what it is behind over kTerm, at least by kLeastShare; for a machine that loses a part of its
//     time all the time, by just that part. So links, whose clocks it drives, make good what they
//     could not send.
// (2) What is overdue by no more than what is usual (Punctuality) is late, but nothing was held
//     up: it happens at once.
#pragma once

#include <algorithm>
#include <optional>

#include "model/fine_time.hh"
#include "model/punctuality.hh"

namespace pleat {

class NetworkTime {
  public:
    static constexpr double kLeastShare = 1.0 / 128;
    static constexpr Ticks kTerm = std::chrono::seconds{1};

    // No more than this is made good: after a pause links would be much too fast, or for long.
    static constexpr Ticks kMostOwed = std::chrono::milliseconds{100};

    // By which part they are faster while they owe so much.
    static double faster_by(Ticks owed) {
        constexpr auto kWhole = static_cast<double>(kTerm.count());
        return std::max(kLeastShare, static_cast<double>(owed.count()) / kWhole);
    }

    // Of instants after the latest awake(): if nothing is held up until then.
    FineInstant network(FineInstant machine) const {
        const Ticks passed = machine - machine_;
        return network_ + passed + made_good(passed);
    }

    FineInstant machine(FineInstant network) const {
        const Ticks passed = network - network_;
        return machine_ + passed - std::min(owed_, part(passed, share_ / (1 + share_)));
    }

    // By how much it is behind the machine's at an instant of its own.
    Ticks behind(FineInstant network) const { return machine(network) - network; }

    // What links are yet to make good: so much time at their own rates.
    Ticks owed() const { return owed_; }

    // The machine is awake, and `due` was or will be, in the network's time, the first of what is
    // to happen by itself.
    void awake(FineInstant machine, std::optional<FineInstant> due) {
        if (machine > machine_) {
            const Ticks passed = machine - machine_;
            const Ticks paid = made_good(passed);
            network_ += passed + paid;
            machine_ = machine;
            owed_ -= paid;
        }
        if (due && *due <= network_) stand_still(network_ - *due);
    }

  private:
    static Ticks part(Ticks time, double share) {
        if (time <= Ticks::zero()) return Ticks::zero();
        return Ticks{static_cast<Ticks::rep>(static_cast<double>(time.count()) * share)};
    }

    Ticks made_good(Ticks passed) const { return std::min(owed_, part(passed, share_)); }

    void stand_still(Ticks late) {
        const Ticks time = std::max(late - Ticks{punctuality_.usual()}, Ticks::zero());
        punctuality_.observe(std::chrono::floor<Duration>(late));
        network_ -= time;
        owed_ = std::min(owed_ + time, kMostOwed);
        share_ = faster_by(owed_);
    }

    FineInstant machine_;  // of the latest awake()
    FineInstant network_;  // then
    Ticks owed_{};         // then
    double share_ = 0;     // by which it is faster than the machine's while something is owed
    Punctuality punctuality_;
};

}  // namespace pleat
