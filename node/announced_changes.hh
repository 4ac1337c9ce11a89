// AnnouncedChanges: changes by hand as a node carries them out.
//
//     announced --its tables are here--> scheduled --its instant--> done
//         |                                  ^
//         +--missed, asked for--tables come--+
//
// (1) They are scheduled in order of their numbers: one that has been missed holds up those
//     after it.
// (2) A change is done when its table is in force in the plane, and its actions on applications
//     are carried out then; one without tables, at its instant.
// (3) When one is due and can't be done, or is in force on another node, hosts of this node are
//     cut from the network after a while (model/change_fence), and connected again when it is done.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/clock.hh"
#include "base/lifeline.hh"
#include "model/change_fence.hh"
#include "node/table_schedule.hh"
#include "wire/messages.hh"

namespace pleat {

class AnnouncedChanges {
  public:
    struct Outputs {
        std::function<void(const ControlMessage&)> send;
        std::function<void(const TimedEvent&)> play;      // an action on an application
        std::function<void(std::uint32_t changes)> done;  // so many are in force
        std::function<void(bool closed)> fence;
        std::function<void(const std::string&)> problem;
    };

    // All must outlive it; `recorder` knows T0 by the first announcement.
    AnnouncedChanges(boost::asio::io_context& loop, TableSchedule& schedule, RunRecorder& recorder,
                     Outputs outputs);

    void announce(AnnounceChange change, Instant now);

    // Of the changes of a run that is taken over: the tables that are in force by now.
    std::optional<TableSchedule::ByHand> in_force_by(const std::vector<AnnounceChange>& changes,
                                                     Instant now) const;

    // Of a run that was taken over: those that are past are in force, the others come.
    void resume(const std::vector<AnnounceChange>& changes, Instant now);

    // Tables have come.
    void tables_here(Instant now);

    // Some came that are not what they should be.
    void tables_refused(const std::string& why, Instant now);

    // Another node has so many in force.
    void heard(std::uint32_t changes, Instant now);

    // A table of this version came into force at `actual`.
    void in_force(std::uint32_t version, Instant actual);

    // Once in a while: is something overdue?
    void check(Instant now);

    // A sentence, when hosts are cut from the network.
    std::optional<std::string> fenced() const;

    // So many were announced, and are scheduled or done.
    std::uint32_t count() const { return scheduled_; }

  private:
    struct Waiting {
        AnnounceChange change;
        bool scheduled = false;
    };

    void schedule_what_can_be(Instant now);
    void do_it(Instant now);
    void wait_for_instant();
    void ask(Instant now);

    TableSchedule& schedule_;
    RunRecorder& recorder_;
    Outputs outputs_;
    std::deque<Waiting> waiting_;  // not done, by number
    std::uint32_t scheduled_ = 0;
    ChangeFence fence_;
    bool closed_ = false;
    Instant closed_since_;
    std::optional<Instant> asked_;
    boost::asio::steady_timer timer_;  // for those without tables
    Lifeline lifeline_;
};

}  // namespace pleat
