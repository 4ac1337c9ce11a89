// RunSession: one run on one or many machines, from StartRun to RunFinished, as a machine
// of messages and time. It has no socket, clock or file: messages and `now` are told to
// it, and it answers through the functions it was given.
//
//  PLANNED --start--> STARTING --all agree on T0--> RUNNING
//     |                  |                             |
//     |                  +-- stop, failure, RunEnded --+--> ENDING
//     |                                                       |
//     +--stop--> FINISHED <--all logs-- COLLECTING <--all RunEnded
//
// STARTING has states of its own: controller/common_start.hh.
//
// (1) RunFinished is said exactly once, whatever happens.
// (2) Every state has a deadline. What passes it fails the run with a text that names
//     what, and of which machine, was waited for.
// (3) stop() ends the run in any state, in bounded time; then it is "interrupted".
// (4) A node that is lost before T0 ends the run. One that is lost, or silent for long,
//     while the run is under way leaves it to the others; the run ends as failed, says which
//     machine was lost and has the exit code 10. A silent one that speaks again is back.
// (5) When one node has ended the run, for whatever reason, all others are told to.
// (6) A session that resume()s begins as RUNNING: nodes that come say how far they are. What
//     one that has ended had told nobody, or only in part, it is asked for again.
// (7) All nodes are told to forget the run when it is FINISHED. (The daemon holds that back while
//     the end of the run could not be stored.)
// (8) Nodes' clocks are followed to the end: by how much a node's time may have differed from
//     ours since T0 is in the results; where that is much, or a clock jumps, it is told at once.
// (9) Changes by hand are made while RUNNING, from T0 on. One that a machine has not carried out
//     at the end makes the run fail.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "controller/common_start.hh"
#include "controller/hand_changes.hh"
#include "controller/planner.hh"
#include "controller/run_archive.hh"
#include "controller/run_outcome.hh"
#include "controller/session_outputs.hh"
#include "controller/session_parts.hh"

namespace pleat {

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
    const RunFinished& results() const { return outcome_.results(); }

  private:
    enum class State : std::uint8_t {
        planned,
        starting,
        running,
        ending,
        collecting,
        finished,
    };

    void on(SessionPart& part, const BeginAccepted& accepted, Instant now);
    void on(SessionPart& part, const Prepared& prepared, Instant now);
    void on(SessionPart& part, const ClockPong& pong, Instant now);
    void on(SessionPart& part, const BeginRefused& refused, Instant now);

    void on(SessionPart& part, const Progress& progress, Instant now);
    void on(SessionPart& part, const RunEnded& ended, Instant now);
    void on(SessionPart& part, const LogChunk& chunk, Instant now);
    void on(SessionPart& part, const OutputChunk& chunk, Instant now);
    void on(SessionPart& part, const LogEnd& end, Instant now);
    void on(SessionPart& part, const NodeFailed& failed, Instant now);
    void on(SessionPart& part, const ChangeDone& done, Instant now);
    void on(SessionPart& part, const ChangeMissed& missed, Instant now);

    void begin(Instant now);
    void end_silence(SessionPart& part);
    void catch_up(SessionPart& part, const HeldRun& held, Instant now);
    void look_for_silence(Instant now);
    void show_progress();
    HandChanges::Surroundings surroundings_of_changes();
    // What is to be known after a restart.
    void keep_so_far();

    void or_fail(const Result<void>& step, Instant now);
    void end(const std::string& reason, bool interrupted, Instant now);
    void end_if_all_ended(Instant now);
    void finish();

    ExperimentTime experiment_time(Instant at) const { return ExperimentTime{at - t0_}; }

    void wait(State state, Instant until);
    Instant deadline_of_state() const;
    std::string waited_for() const;
    void set_end();

    const RunPlan& plan_;
    SessionDeadlines deadlines_;
    SessionOutputs outputs_;
    RunOutcome outcome_;
    SessionParts parts_;
    CommonStart start_;
    HandChanges changes_;

    State state_ = State::planned;
    Instant deadline_;  // of the state; STARTING has its own, RUNNING those of its parts beside it
    Instant t0_;        // on our clock; from RUNNING on
    bool begun_ = false;
};

}  // namespace pleat
