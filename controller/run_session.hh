// RunSession: one run on one or many machines, from StartRun to RunFinished, as a machine
// of messages and time. It has no socket, clock or file: messages and `now` are told to
// it, and it answers through the functions it was given.
//
//  PLANNED --start--> AWAITING NODES --all here--> (*) PREPARING --tables, hosts--> MEASURING
//  CLOCKS
//     |                    |                          |                              |
//     |                    |                          |   RUNNING <--all accepted-- BEGINNING
//     |                    |                          |     |                          |
//     |                    |                          +-----+-- stop, failure, ---------+--> ENDING
//     |                    |                                    a RunEnded                     |
//     +---- stop ----------+-----------> FINISHED <--all logs-- COLLECTING <--all RunEnded-----+
//
// (*) On several machines OPENING WAYS comes between: each binds its end of the tunnel and says
//     where. A node that is lost there is awaited anew.
//
// (1) RunFinished is said exactly once, whatever happens.
// (2) Every state has a deadline. What passes it fails the run with a text that names
//     what, and of which machine, was waited for.
// (3) A table is prepared when a node has answered with its very hash. T0 is announced, to
//     each node on its own clock, when all nodes have prepared all tables and their hosts
//     are ready; it is confirmed when all have accepted the same T0, and no node starts
//     without that. A refusal by one makes a new T0, announced to all.
// (4) stop() ends the run in any state, in bounded time; then it is "interrupted".
// (5) A node that is lost before T0 ends the run. One that is lost, or silent for long,
//     while the run is under way leaves it to the others; the run ends as failed, says which
//     machine was lost and has the exit code 10. A silent one that speaks again is back.
// (6) When one node has ended the run, for whatever reason, all others are told to.
// (7) A session that resume()s begins as RUNNING: nodes that come say how far they are. What
//     one that has ended had told nobody, or only in part, it is asked for again.
// (8) All nodes are told to forget the run when it is FINISHED. (The daemon holds that back while
//     the end of the run could not be stored.)
// (9) Nodes' clocks are followed to the end: by how much a node's time may have differed from
//     ours since T0 is in the results; where that is much, or a clock jumps, it is told at once.
// (10) Changes by hand are made while RUNNING, from T0 on. One that a machine has not carried out
//     at the end makes the run fail.
// (11) Failures of the archive never end a run under way; they make it fail at its end.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "controller/hand_changes.hh"
#include "controller/planner.hh"
#include "controller/result_collector.hh"
#include "controller/run_archive.hh"
#include "controller/session_part.hh"

namespace pleat {

struct SessionDeadlines {
    Duration start = std::chrono::seconds{60};  // from acceptance to start()
    Duration node = std::chrono::seconds{10};
    Duration prepared = std::chrono::seconds{30};      // from one acknowledgement to the next
    Duration ready_margin = std::chrono::seconds{10};  // beyond the run's own ready_deadline
    Duration clock = std::chrono::seconds{5};
    Duration begin = std::chrono::seconds{5};        // from T0
    Duration silence = std::chrono::seconds{10};     // of a node while the run is under way
    Duration resume = std::chrono::seconds{30};      // for nodes to come to one that resumes
    Duration end_margin = std::chrono::seconds{30};  // beyond the run's duration
    Duration ending = std::chrono::seconds{15};
    Duration log = std::chrono::seconds{30};  // from one piece to the next
};

struct SessionOutputs {
    std::function<void(const ControlMessage&)> to_cli;
    std::function<void(const std::string& machine, const ControlMessage&)> to_node;
    // 32 bytes that nobody can foresee; asked for once for each pair of machines.
    std::function<std::string()> fresh_key;
    // To who asked for a change: RunChanged, or Refused.
    std::function<void(HandChanges::Asker, const ControlMessage&)> to_asker = {};
};

class RunSession {
  public:
    // `plan` and `archive` must outlive the session.
    RunSession(const RunPlan& plan, SessionDeadlines deadlines, SessionOutputs outputs,
               RunArchive& archive, Instant now);

    // StartRun. `present`: the nodes that are there already, of this run or not.
    void start(const std::vector<Hello>& present, Instant now);

    // Instead of start(): the run is under way, and this much was known of it.
    void resume(const RunFinished& so_far, Instant now);

    // Nodes that have no part in the run change nothing.
    void node_arrived(const Hello& hello, Instant now);
    // Its connection is closed, but the node may be well and come back.
    void node_disconnected(const std::string& machine, Instant now);
    // It does not exist any more.
    void node_lost(const std::string& machine, const std::string& why, Instant now);

    // From a node.
    void receive(const std::string& machine, const ControlMessage& message, Instant now);

    // By hand (controller/hand_changes.hh); the answer goes to `asker`.
    void change(HandChanges::Asker asker, const std::vector<std::string>& lines, Instant now);

    // Ctrl-C, a lost command line, a signal.
    void stop(const std::string& reason, Instant now);

    // The run can't go on: ends it, in bounded time, as failed.
    void fail(const std::string& problem, Instant now);

    // Looks at the deadlines.
    void tick(Instant now);

    // When tick() should be called at the latest.
    std::optional<Instant> deadline() const;

    bool finished() const { return state_ == State::finished; }

    // Where finished(): what was said.
    const RunFinished& results() const { return results_; }

  private:
    enum class State : std::uint8_t {
        planned,
        awaiting_nodes,
        opening_ways,
        preparing,
        measuring_clocks,
        beginning,
        running,
        ending,
        collecting,
        finished,
    };

    void on(SessionPart& part, const WayOpened& opened, Instant now);
    void on(SessionPart& part, const Prepared& prepared, Instant now);
    void on(SessionPart& part, const HostsReady& ready, Instant now);
    void on(SessionPart& part, const ClockPong& pong, Instant now);
    void on(SessionPart& part, const BeginAccepted& accepted, Instant now);
    void on(SessionPart& part, const BeginRefused& refused, Instant now);
    void on(SessionPart& part, const Progress& progress, Instant now);
    void on(SessionPart& part, const RunEnded& ended, Instant now);
    void on(SessionPart& part, const LogChunk& chunk, Instant now);
    void on(SessionPart& part, const OutputChunk& chunk, Instant now);
    void on(SessionPart& part, const LogEnd& end, Instant now);
    void on(SessionPart& part, const NodeFailed& failed, Instant now);
    void on(SessionPart& part, const ChangeDone& done, Instant now);
    void on(SessionPart& part, const ChangeMissed& missed, Instant now);

    void catch_up(SessionPart& part, const HeldRun* held, Instant now);
    void prepare_if_all_here(Instant now);
    void prepare(Instant now);
    void measure_if_ready(Instant now);
    void announce(Instant now);
    void follow_clock(SessionPart& part, const ClockPong& pong, Instant now);
    void confirm(Instant now);
    void look_for_silence(Instant now);
    void show_progress();
    void end(const std::string& reason, bool interrupted, Instant now);
    void end_if_all_ended(Instant now);
    void give_up_on_the_rest(const std::string& problem);
    void finish();
    HandChanges::Surroundings surroundings_of_changes();

    ExperimentTime experiment_time(Instant at) const { return ExperimentTime{at - t0_}; }

    SessionPart* find(const std::string& machine);
    // "the node", or "machine m2"; "machines m2, m3" of those that `filter` holds for.
    std::string who(const SessionPart& part) const;
    std::string who(const std::function<bool(const SessionPart&)>& filter) const;
    std::string waited_for() const;
    void set_end(Instant t0);
    // What is to be known after a restart.
    void keep_so_far();
    // A problem as a node tells it, with its name where there are several.
    std::string said_by(const SessionPart& part, const std::string& problem) const;

    void wait(State state, Instant until);
    void keep(const Result<void>& outcome);
    void stage(std::string name, std::string text) const;
    bool any_open() const;

    const RunPlan& plan_;
    SessionDeadlines deadlines_;
    SessionOutputs outputs_;
    RunArchive& archive_;

    State state_ = State::planned;
    Instant deadline_;           // of the state; RUNNING has those of its parts beside it
    bool awaits_hosts_ = false;  // while PREPARING: tables are there
    std::vector<SessionPart> parts_;
    std::uint32_t attempts_ = 0;  // announcements of T0
    Instant t0_;                  // on our clock
    bool begun_ = false;

    HandChanges changes_;

    bool archive_broken_ = false;
    ResultCollector collector_;
    RunFinished results_;
};

}  // namespace pleat
