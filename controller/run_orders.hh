// RunOrders: what operators order and ask about runs, and about hosts of runs under way.
//
// (1) A run that was submitted detached has no owner: it goes on when the command line goes away,
//     and may wait long for its start.
// (2) What is asked of a host is passed on to its node; a ticket of ours stands for the question,
//     and the answer goes to who asked (controller/host_questions.hh).
// (3) Of a run under way its session knows, of one that is over the store; of one whose end the
//     store could not take, controller/late_ends.hh.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "controller/active_runs.hh"
#include "controller/host_questions.hh"
#include "controller/late_ends.hh"
#include "controller/members.hh"
#include "controller/node_registry.hh"
#include "controller/way_orders.hh"

namespace pleat {

class RunOrders {
  public:
    struct Surroundings {
        Store& store;
        const Members& members;
        NodeRegistry& nodes;
        const WayOrders& ways;
        ActiveRuns& runs;
        const LateEnds& late_ends;
        const std::string& state_directory;
        const SessionDeadlines& deadlines;
        std::function<SessionOutputs(const std::string& run)> outputs;  // of a new session
    };

    // All must outlive it.
    explicit RunOrders(Surroundings surroundings) : outside_{std::move(surroundings)} {}

    // From now on no run is taken.
    void close() { closed_ = true; }

    // Each is answered; a throw is for who gave the order, too.
    void carry_out(const Caller& caller, Submit order);
    void carry_out(const Caller& caller, const StartRun& order);
    void carry_out(const Caller& caller, const StopRun& order);
    void carry_out(const Caller& caller, const Watch& order);
    void carry_out(const Caller& caller, const ChangeRun& order);
    void carry_out(const Caller& caller, const ListRuns& order);
    void carry_out(const Caller& caller, const Inspect& order);
    void carry_out(const Caller& caller, ReadOutput order);
    void carry_out(const Caller& caller, RunOnHost order);

    // What a session answers to who asked for a change.
    void answer_asker(const std::string& run, std::uint32_t asker, const ControlMessage& message);

    // From a node. False when it is no answer to a question.
    bool pass_on(const std::string& run, const ControlMessage& message);

    // Who still waits for an answer is told.
    void run_over(const std::string& run);

  private:
    template <typename Question>
    void ask_node(const Caller& caller, Question question);
    std::vector<RunInfo> list() const;
    RunFinished results_of_ended(const std::string& run) const;

    Surroundings outside_;
    HostQuestions questions_;
    bool closed_ = false;
};

}  // namespace pleat
