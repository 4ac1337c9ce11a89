// RunConversation: what `pleat run` says to the controller and shows of the answers. It
// has no sockets, clock or signals of its own: they are told to it.
//
//     SUBMITTING --Submitted--> PREPARING --Stage "begin"--> RUNNING --RunFinished--> OVER
//         |                         |                            |
//         +-------------------------+------ interrupt() ---------+--> STOPPING --> OVER
//
// (1) Every state has a deadline, after which the conversation is over and its error says
//     what was waited for.
// (2) PREPARING and RUNNING are prolonged by every message; the others are not.
// (3) The first interrupt() asks for a clean end; a second one ends the conversation at
//     once, and the caller then kills what is left. So does the first one while SUBMITTING,
//     when there is nothing to end yet.
// (4) A controller that is started anew goes on with a run that has begun: reconnected() asks
//     it for the run, and for its end again when that had been asked for.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "cli/exit_code.hh"
#include "cli/output.hh"
#include "cli/run_news.hh"
#include "wire/messages.hh"

namespace pleat {

// How long a silence of the controller may last in each state.
struct RunDeadlines {
    Duration submitting = std::chrono::seconds{60};
    Duration preparing = std::chrono::seconds{300};  // beside the hosts' own ready deadline
    Duration running = std::chrono::seconds{180};
    Duration stopping = std::chrono::seconds{60};
};

// How a run ended that brought no results.
struct RunAbort {
    ExitCode code = ExitCode::failed;
    std::string message;
};

class RunConversation {
  public:
    using Say = std::function<void(const ControlMessage&)>;

    // `submit` must outlive the conversation, and `output` as well.
    RunConversation(const Submit& submit, RunDeadlines deadlines, Say say, Output& output);

    // Sends the topology.
    void begin(Instant now);

    void receive(const ControlMessage& message, Instant now);

    // Ctrl-C. `reason` is for the log: "interrupted", "terminated".
    void interrupt(const std::string& reason, Instant now);

    // The connection was lost and is there again, perhaps to another controller.
    void reconnected(Instant now);

    // Has the controller got the run, so that another one can go on with it?
    bool survives_controller() const {
        return state_ == State::preparing || state_ == State::running || state_ == State::stopping;
    }

    // Is it after T0, so that another node can take over the hosts?
    bool has_begun() const { return state_ == State::running; }

    // Looks at the deadlines; to be called a few times a second.
    void tick(Instant now);

    // The run can't go on (a process died).
    void abort(ExitCode code, std::string message);

    bool over() const { return state_ == State::over; }

    // Where over(): the results, or why there are none.
    const std::optional<RunFinished>& finished() const { return finished_; }

    const RunAbort& aborted() const { return aborted_; }

    // The user was not willing to wait for a clean end.
    bool impatient() const { return impatient_; }

    // From T0 to the end; from begin() when T0 was never reached.
    Duration took() const { return took_; }

  private:
    enum class State : std::uint8_t { idle, submitting, preparing, running, stopping, over };

    void accepted(const Submitted& submitted, Instant now);
    void refuse(const Refused& refused);
    void reached(const Stage& stage, Instant now);
    void show(const Progress& progress, Instant now);
    void finish(const RunFinished& finished, Instant now);

    void enter(State state, Instant now);
    Duration patience() const;
    std::string waited_for() const;
    void give_up(ExitCode code, std::string message);

    const Submit& submit_;
    RunDeadlines deadlines_;
    Say say_;
    Output& output_;
    RunNews news_;
    State state_ = State::idle;
    Instant deadline_;
    Instant began_;
    std::optional<Instant> running_since_;
    bool interrupted_ = false;
    std::string interrupt_reason_;
    bool impatient_ = false;
    std::optional<RunFinished> finished_;
    RunAbort aborted_;
    Duration took_{};
};

// Links as a file counts them: the two directions of `A -- B` are one, and the hidden
// ones of `shared` are none.
std::size_t count_links(const Topology& topology);

}  // namespace pleat
