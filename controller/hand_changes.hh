// HandChanges: what is changed by hand in one run under way. A machine of messages and time, as
// RunSession is, and a part of it; its time is experiment time.
//
//     waiting --> PREPARING --tables acknowledged--> announced --all machines did it--> done
//                     ^  |
//                     +--+ the epoch that it was prepared for is over
//
// (1) A change makes a version of the tables of the epoch in which it takes effect, and of all
//     later ones (model/epochs). Those of the next kPushedFirst epochs and kHorizon are pushed and
//     acknowledged, each with its hash; then the instant is announced, and the others are pushed.
// (2) The instant is now + max(20 ms, 3 x the worst round trip), after the start of the epoch that
//     the version was computed for, and after the instant of the change before. When that epoch
//     would be over by then, the version is computed anew for a later one.
// (3) One version is being prepared at a time, while others are on their way to their instants.
//     What is asked meanwhile waits, and becomes one version.
// (4) Actions on applications make no version: they are announced at once, for the same kind of
//     instant.
// (5) A machine that is not there, or has not acknowledged after kPatience, is left behind: the
//     change takes effect without it, and names it. When it is back it is told all that it has
//     missed. (It fences itself when it hears of changes that it has not: model/change_fence.)
// (6) What is announced is kept before: a controller that is started anew computes it again.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controller/planner.hh"
#include "wire/messages.hh"

namespace pleat {

class HandChanges {
  public:
    static constexpr std::uint32_t kPushedFirst = 6;
    static constexpr Duration kHorizon = std::chrono::seconds{2};
    static constexpr Duration kLeastLead = std::chrono::milliseconds{20};
    static constexpr Duration kPatience = std::chrono::seconds{3};

    // Who asked; the answer is for it.
    using Asker = std::uint32_t;

    struct Surroundings {
        std::function<void(const std::string& machine, const ControlMessage&)> to_node;
        std::function<void(Asker, const ControlMessage&)> answer;  // RunChanged or Refused
        // Of the machines of the run, is this one there?
        std::function<bool(const std::string& machine)> reachable;
        std::function<Duration()> worst_round_trip;
        std::function<void(const std::string&)> warn;
        std::function<void()> keep;  // results() have changed
    };

    // `plan` must outlive it.
    HandChanges(const RunPlan& plan, Surroundings surroundings);

    // Instead of a fresh start: these have been announced.
    void resume(const std::vector<ChangeResult>& announced);

    // Answers with Refused at once when a line makes no sense.
    void ask(Asker asker, const std::vector<std::string>& lines, ExperimentTime now);

    // From a machine. Fails when it has another table than it should.
    Result<void> receive(const std::string& machine, const Prepared& prepared, ExperimentTime now);
    void receive(const std::string& machine, const ChangeDone& done, ExperimentTime now);
    void receive(const std::string& machine, const ChangeMissed& missed);

    // It is there again; so many changes had been announced to it.
    void machine_back(const std::string& machine, std::uint32_t changes);

    // The run ends: who waits is told.
    void end();

    void tick(ExperimentTime now);
    std::optional<ExperimentTime> deadline() const;

    // All that were announced.
    std::vector<ChangeResult> results() const;

  private:
    // What was asked in one message.
    struct Request {
        Asker asker = 0;
        std::vector<std::string> lines;
        std::vector<TimedEvent> topology;  // Phase::by_hand
        std::vector<TimedEvent> actions;
    };

    // Tables of a version, and how it came to be.
    struct Version {
        HandChange change;
        std::uint32_t based_on = 1;
        std::vector<PathTableDelta> deltas;  // of change.epoch and later
    };

    struct Change {
        ChangeResult result;
        std::optional<Version> version;
        std::vector<TimedEvent> actions;
        std::vector<Asker> askers;  // until they were answered
        std::set<std::string> done;
        std::optional<ExperimentTime> patience;  // then askers are answered in any case
    };

    struct Preparation {
        std::vector<Request> requests;
        Version version;
        std::size_t needed = 0;  // so many of the deltas are to be acknowledged
        ExperimentTime began{};
        std::set<std::string> asked;                                   // machines
        std::set<std::pair<std::string, std::uint32_t>> acknowledged;  // by epoch
    };

    Result<Request> parsed(const std::vector<std::string>& lines);
    void begin_next(ExperimentTime now);
    void prepare(std::vector<Request> requests, ExperimentTime now, Duration ahead);
    void announce_if_acknowledged(ExperimentTime now);
    void announce(ExperimentTime now);
    void announce(Change change, ExperimentTime at);
    void push(const std::string& machine, const Version& version, std::size_t from,
              std::size_t to) const;
    AnnounceChange announcement(const Change& change) const;
    void look_at(Change& change, ExperimentTime now) const;
    ExperimentTime earliest(ExperimentTime now) const;
    bool acknowledged_by(const std::string& machine) const;
    std::vector<HandChange> hand_changes() const;
    std::uint32_t last_version() const;

    const RunPlan& plan_;
    Surroundings outside_;
    std::vector<std::string> machines_;
    std::uint32_t next_overlay_;
    std::uint32_t used_version_ = 1;  // the last number of a version that was pushed
    std::vector<Request> waiting_;
    std::optional<Preparation> preparing_;
    std::vector<Change> changes_;  // announced, by number
};

}  // namespace pleat
