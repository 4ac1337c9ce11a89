// CommonStart: brings the nodes of one run from their Hello to one T0. A part of RunSession, and
// like it a machine of messages and time.
//
//  AWAITING NODES --all here--> (*) PREPARING --tables, hosts--> MEASURING CLOCKS --> BEGINNING
//
// (*) On several machines OPENING WAYS comes between: each binds its end of the tunnel and says
//     where. A node that is lost there is awaited anew.
//
// (1) A table is prepared when a node has answered with its very hash.
// (2) T0 is announced, to each node on its own clock, when all nodes have prepared all tables and
//     their hosts are ready; it can be confirmed when all have accepted the same T0, and no node
//     starts without that. A refusal by one makes a new T0, announced to all.
// (3) What fails here fails the run; it is returned to who conducts it.
#pragma once

#include <cstdint>
#include <string>

#include "controller/planner.hh"
#include "controller/run_outcome.hh"
#include "controller/session_outputs.hh"
#include "controller/session_parts.hh"

namespace pleat {

class CommonStart {
  public:
    // All must outlive it.
    CommonStart(const RunPlan& plan, const SessionDeadlines& deadlines,
                const SessionOutputs& outputs, SessionParts& parts, RunOutcome& outcome)
        : plan_{plan}, deadlines_{deadlines}, outputs_{outputs}, parts_{parts}, outcome_{outcome} {}

    // First of all. Some nodes may have said hello.
    void begin(Instant now);

    void node_arrived(Instant now) { prepare_if_all_here(now); }

    // One that was not told to prepare the run.
    void node_lost(SessionPart& part, Instant now);

    void receive(SessionPart& part, const WayOpened& opened, Instant now);
    Result<void> receive(SessionPart& part, const Prepared& prepared, Instant now);
    void receive(SessionPart& part, const HostsReady& ready, Instant now);
    void receive(SessionPart& part, const ClockPong& pong, Instant now);
    void receive(SessionPart& part, const BeginAccepted& accepted);
    Result<void> receive(SessionPart& part, const BeginRefused& refused, Instant now);

    // While they do, messages count of nodes that have no part in the run yet.
    bool opens_ways() const { return state_ == State::opening_ways; }

    // All have accepted T0.
    bool agreed() const { return state_ == State::agreed; }

    // Where agreed(): on our clock, and how far each node may be from it at most.
    Instant t0() const { return t0_; }

    Duration confirm(Instant now);

    // Of the state.
    Instant deadline() const { return deadline_; }

    // What that is the deadline of.
    std::string waited_for() const;

    // It comes to nothing: so do ways that nodes have opened which were told nothing more.
    void close_ways(const EndRun& end) const;

  private:
    enum class State : std::uint8_t {
        awaiting_nodes,
        opening_ways,
        preparing,
        measuring_clocks,
        beginning,
        agreed,
    };

    void prepare_if_all_here(Instant now);
    void prepare(Instant now);
    void measure_if_ready(Instant now);
    void announce(Instant now);
    std::vector<std::vector<Peer>> peers() const;
    void wait(State state, Instant until);

    const RunPlan& plan_;
    const SessionDeadlines& deadlines_;
    const SessionOutputs& outputs_;
    SessionParts& parts_;
    RunOutcome& outcome_;

    State state_ = State::awaiting_nodes;
    Instant deadline_;
    bool awaits_hosts_ = false;   // while PREPARING: tables are there
    std::uint32_t attempts_ = 0;  // announcements of T0
    Instant t0_;                  // announced last, on our clock
};

}  // namespace pleat
