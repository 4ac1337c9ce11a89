// SlotPlan: which table is in which of the program's slots, and what is to be done next.
// A pure state machine: it is told the time and what has happened; its owner folds, fills and
// stores begins() into the program's control.
//
//     ask()       folded()     next_fill()      filled()
//       --> WAITING --> READY ---------> FILLING ------> ARMED --its instant--> in force
//                         ^                                |                        |
//                         +------- its slot is needed -----+         successor, and kRetirement:
//                                                                    its slot is free
//
// (1) A table for the past is for now. Tables take effect in the order of their instants; of two
//     with the same instant the later call wins, and so does a later table of the same
//     (version, epoch) while the earlier is not in force. What has lost is never reported.
// (2) A slot is written anew only when no program can be reading it: kRetirement after its
//     successor came into force, or after it was taken back shortly before its instant. An
//     owner that can wait for a program that is under way may have it earlier.
// (3) The earliest tables have the slots: when one comes that is earlier than what holds
//     the last slot, it takes that one, if it is not about to come into force.
// (4) A table that is filled after its instant is in force from then on, and says so. One that
//     is not in force when its successor comes, is skipped: both are reported for the
//     successor's instant.
// (5) What an earlier owner left in the slots is in force at its instants. When the same table
//     is asked for, for the same instant, or for the past when it is in force, its slot is as
//     good as filled: nothing is written.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "base/clock.hh"
#include "bpf/shared/edt.h"
#include "model/path_table.hh"

namespace pleat {

class SlotPlan {
  public:
    // A call's number; later calls have greater ones.
    using Ticket = std::uint64_t;
    using Slot = std::uint32_t;
    // What the program's control should say: from when on each slot is in force.
    using Begins = std::array<std::optional<Instant>, EDT_SLOTS>;

    // A program is done with a packet within microseconds; this is for machines whose
    // processors are taken away for a while.
    static constexpr Duration kRetirement = std::chrono::milliseconds{50};

    struct Asked {
        Ticket ticket = 0;
        std::uint32_t version = 0;
        EpochId epoch{};
        Instant when{};  // as it was asked for
    };

    struct Fill {
        Ticket ticket = 0;
        Slot slot = 0;
        bool wait_for_readers = false;  // first: programs that began before may read it
    };

    struct InForce {
        Asked table;
        Instant actual;
    };

    // A table that an earlier owner has left in a slot.
    struct Left {
        Instant begins;
        std::uint32_t version = 0;
        EpochId epoch{};
    };

    using LeftSlots = std::array<std::optional<Left>, EDT_SLOTS>;

    // `left`: what is in the slots already. It is reported with ticket 0; asked for again, it
    // stays where it is (5).
    explicit SlotPlan(bool can_wait_for_readers, const LeftSlots& left = {});

    void ask(const Asked& table, Instant now);
    // True when the rows are wanted; of what was left they are there.
    bool folded(Ticket ticket);

    // What to fill now; ask until there is nothing.
    std::optional<Fill> next_fill(Instant now);
    void filled(Slot slot, Instant now);

    // What has come into force by now and was not told before, in order.
    std::vector<InForce> due(Instant now);

    // When something is to be done next without being told: due() or next_fill().
    std::optional<Instant> next_instant(Instant now) const;

    const Begins& begins() const { return begins_; }

    // The table that occupies the slot; nothing for a free one and what is only left.
    std::optional<Ticket> occupant(Slot slot) const;

    // Still of use: it waits, is in a slot, or is in force.
    bool knows(Ticket ticket) const;

  private:
    enum class State : std::uint8_t { waiting, ready, filling, armed };

    struct Entry {
        Asked asked;
        Instant effective;  // (1)
        State state = State::waiting;
        Slot slot = 0;          // of one that is filling or armed
        bool reported = false;  // by due()
        bool named = true;      // it has a ticket: not only left by an earlier owner
        bool over = false;      // its slot can be used anew,
        Instant left{};         // and was left then
    };

    Instant begin(const Entry& entry) const { return *begins_[entry.slot]; }

    bool in_force_by(const Entry& entry, Instant now) const {
        return entry.state == State::armed && begin(entry) <= now;
    }

    // How many entries are in force by now or came before one that is.
    std::size_t past(Instant now) const;
    bool take_up(const Asked& table, Instant now);
    void take_back(Entry& entry, Instant now);
    void retire(Instant now);
    void release(Slot slot, Instant since);
    Entry* next_to_fill(Instant now);
    std::optional<Slot> free_slot(Instant now) const;
    std::optional<Slot> slot_of_later_than(const Entry& entry, Instant now);

    bool can_wait_for_readers_;
    std::vector<Entry> entries_;  // in the order of their instants, then of calls
    Begins begins_;
    std::array<Instant, EDT_SLOTS> read_until_{};  // (2)
    std::array<bool, EDT_SLOTS> being_filled_{};   // also for a table that has lost meanwhile
};

}  // namespace pleat
