// RunSession: one run, from StartRun to RunFinished, as a machine of messages and time.
// It has no socket, clock or file: messages and `now` are told to it, and it answers
// through the functions it was given.
//
//  PLANNED --start--> AWAITING NODE --node--> PREPARING --tables, hosts--> MEASURING CLOCK
//     |                    |                     |                              |
//     |                    |                     |     RUNNING <--accepted-- BEGINNING
//     |                    |                     |        |                     |
//     |                    |                     +--------+- stop, failure -----+--> ENDING
//     |                    |                                                           |
//     +---- stop ----------+--------------> FINISHED <--log-- COLLECTING <--RunEnded---+
//
// (1) RunFinished is said exactly once, whatever happens.
// (2) Every state has a deadline. What passes it fails the run with a text
//     that names what was waited for; RUNNING waits for a sign of life of the node.
// (3) A table is prepared when the node has answered with its very hash. The node is told
//     T0 only after it has prepared all tables and its hosts are ready.
// (4) stop() ends the run in any state, in bounded time; then it is "interrupted".
// (5) A node that is lost ends the run at once, as failed.
// (6) Failures of the archive never end a run under way; they make it fail at its end.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "controller/clock_exchange.hh"
#include "controller/planner.hh"
#include "controller/result_collector.hh"
#include "controller/run_archive.hh"
#include "wire/log_file.hh"

namespace pleat {

struct SessionDeadlines {
    Duration start = std::chrono::seconds{60};  // from acceptance to start()
    Duration node = std::chrono::seconds{10};
    Duration prepared = std::chrono::seconds{30};      // from one acknowledgement to the next
    Duration ready_margin = std::chrono::seconds{10};  // beyond the run's own ready_deadline
    Duration clock = std::chrono::seconds{5};
    Duration begin = std::chrono::seconds{5};        // from T0
    Duration silence = std::chrono::seconds{10};     // of a node while the run is under way
    Duration end_margin = std::chrono::seconds{30};  // beyond the run's duration
    Duration ending = std::chrono::seconds{15};
    Duration log = std::chrono::seconds{30};  // from one piece to the next
};

struct SessionOutputs {
    std::function<void(const ControlMessage&)> to_cli;
    std::function<void(const ControlMessage&)> to_node;
};

class RunSession {
  public:
    // `plan` and `archive` must outlive the session.
    RunSession(const RunPlan& plan, SessionDeadlines deadlines, SessionOutputs outputs,
               RunArchive& archive, Instant now);

    // StartRun. `node`: there is one already.
    void start(bool node, Instant now);

    void node_arrived(Instant now);
    void node_lost(const std::string& why, Instant now);

    // From the node.
    void receive(const ControlMessage& message, Instant now);

    // Ctrl-C, a lost command line, a signal.
    void stop(const std::string& reason, Instant now);

    // The run can't go on: ends it, in bounded time, as failed.
    void fail(const std::string& problem, Instant now);

    // Looks at the deadline.
    void tick(Instant now);

    // When tick() should be called at the latest.
    std::optional<Instant> deadline() const;

    bool finished() const { return state_ == State::finished; }

    // Where finished(): what was said.
    const RunFinished& results() const { return results_; }

  private:
    enum class State : std::uint8_t {
        planned,
        awaiting_node,
        preparing,
        measuring_clock,
        beginning,
        running,
        ending,
        collecting,
        finished,
    };

    void on(const Prepared& prepared, Instant now);
    void on(const HostsReady& ready, Instant now);
    void on(const ClockPong& pong, Instant now);
    void on(const BeginAccepted& accepted, Instant now);
    void on(const BeginRefused& refused, Instant now);
    void on(const Progress& progress, Instant now);
    void on(const RunEnded& ended, Instant now);
    void on(const LogChunk& chunk, Instant now);
    void on(const LogEnd& end, Instant now);
    void on(const NodeFailed& failed, Instant now);

    void prepare(Instant now);
    void measure_if_ready(Instant now);
    void announce(Instant now);
    void end(const std::string& reason, bool interrupted, Instant now);
    void finish();

    void wait(State state, Instant until, std::string what);
    void keep(const Result<void>& outcome);
    void stage(std::string name, std::string text) const;
    // Has the node the run, so that it must be told of an end?
    bool node_has_run() const;

    const RunPlan& plan_;
    SessionDeadlines deadlines_;
    SessionOutputs outputs_;
    RunArchive& archive_;

    State state_ = State::planned;
    Instant deadline_;
    std::string waited_for_;

    std::vector<std::uint64_t> hashes_;  // by epoch
    std::vector<bool> acknowledged_;     // by epoch
    std::size_t left_to_acknowledge_;
    std::optional<HostsReady> ready_;
    ClockExchange clock_;
    std::uint32_t attempts_ = 0;  // announcements of T0
    Instant t0_;                  // on our clock
    bool begun_ = false;

    LogDecoder decoder_;
    std::uint64_t log_bytes_ = 0;
    bool archive_broken_ = false;
    bool log_broken_ = false;
    ResultCollector collector_;
    RunFinished results_;
};

}  // namespace pleat
