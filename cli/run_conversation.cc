#include "cli/run_conversation.hh"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "base/overload.hh"
#include "cli/format.hh"

namespace pleat {
std::size_t count_links(const Topology& topology) {
    const auto hidden = [&topology](VertexId v) {
        return !topology.is_host(v) && topology.bridges()[topology.bridge_of(v).value].hidden;
    };
    // Directed links that wait for their other direction, by (from, to, name).
    std::map<std::tuple<VertexId, VertexId, std::string>, std::size_t> single;
    std::size_t count = 0;
    for (const Link& link : topology.links()) {
        // A hidden bridge has one real link, to the outside, and one to each replica.
        const bool of_replica = (topology.is_host(link.from) && hidden(link.to)) ||
                                (topology.is_host(link.to) && hidden(link.from));
        if (of_replica) continue;
        const auto other = single.find({link.to, link.from, link.name});
        if (other != single.end() && other->second > 0) {
            --other->second;
            continue;
        }
        ++single[{link.from, link.to, link.name}];
        ++count;
    }
    return count;
}

RunConversation::RunConversation(const Submit& submit, RunDeadlines deadlines, Say say,
                                 Output& output)
    : submit_{submit},
      deadlines_{deadlines},
      say_{std::move(say)},
      output_{output},
      news_{output, &submit.scenario, Instant{}} {}

void RunConversation::begin(Instant now) {
    began_ = now;
    enter(State::submitting, now);
    say_(submit_);
}

void RunConversation::receive(const ControlMessage& message, Instant now) {
    if (over()) return;
    if (state_ == State::preparing || state_ == State::running) deadline_ = now + patience();
    std::visit(Overload{
                   [&](const Submitted& m) { accepted(m, now); },
                   [&](const Refused& m) { refuse(m); },
                   [&](const Stage& m) { reached(m, now); },
                   [&](const Progress& m) { show(m, now); },
                   [&](const RunFinished& m) { finish(m, now); },
                   // Others are for the controller or a node: none of our business. (A
                   // NodeFailed is told again by the RunFinished that follows.)
                   [](const auto&) {},
               },
               message);
}

void RunConversation::accepted(const Submitted& submitted, Instant now) {
    if (state_ != State::submitting) return;
    output_.done("topology",
                 fmt::format("{}, {}, {}, {}, {}", counted(submitted.hosts, "host"),
                             counted(submitted.bridges, "bridge"),
                             counted(count_links(submit_.scenario.topology), "link"),
                             counted(submitted.epochs, "epoch"), counted(submitted.paths, "path")),
                 seconds(submitted.took));
    for (const std::string& note : submitted.notes) output_.warning(note);
    enter(State::preparing, now);
    news_.wait_for("hosts", "waiting for hosts");
    say_(StartRun{submit_.options.run});
}

void RunConversation::refuse(const Refused& refused) {
    give_up(static_cast<ExitCode>(refused.exit_code), refused.message);
}

void RunConversation::reached(const Stage& stage, Instant now) {
    if (stage.name == "begin" && state_ == State::preparing) enter(State::running, now);
    news_.show(stage, now);
}

void RunConversation::show(const Progress& progress, Instant now) {
    if (state_ == State::preparing) enter(State::running, now);
    news_.show(progress, now);
}

void RunConversation::finish(const RunFinished& finished, Instant now) {
    finished_ = finished;
    // The controller may have ended the run for a reason of its own before it heard of
    // ours; the user has interrupted it all the same.
    if (interrupted_) finished_->interrupted = true;
    took_ = now - running_since_.value_or(began_);
    state_ = State::over;
    output_.progress({});
}

void RunConversation::interrupt(const std::string& reason, Instant now) {
    if (over()) return;
    if (interrupted_) {
        impatient_ = true;
        give_up(ExitCode::interrupted, "interrupted again: not waiting for a clean end");
        return;
    }
    interrupted_ = true;
    interrupt_reason_ = reason;
    if (state_ == State::idle || state_ == State::submitting) {
        give_up(ExitCode::interrupted, reason + " before the run began");
        return;
    }
    output_.note(fmt::format("{}: ending the run (once more: at once)", reason));
    say_(StopRun{submit_.options.run, reason});
    enter(State::stopping, now);
}

void RunConversation::tick(Instant now) {
    if (over() || state_ == State::idle || now < deadline_) return;
    const std::string waited = fmt::format("waited {} for {}", spoken(patience()), waited_for());
    give_up(state_ == State::submitting ? ExitCode::controller_unreachable : ExitCode::failed,
            waited);
}

void RunConversation::reconnected(Instant now) {
    if (state_ == State::submitting) {
        return give_up(ExitCode::failed, "the controller ended before it had taken the topology");
    }
    if (!survives_controller()) return;
    output_.note("the controller is there again");
    if (state_ != State::stopping) deadline_ = now + patience();
    say_(Watch{.run = submit_.options.run, .own = true});
    if (interrupted_) say_(StopRun{.run = submit_.options.run, .reason = interrupt_reason_});
}

void RunConversation::abort(ExitCode code, std::string message) {
    if (!over()) give_up(code, std::move(message));
}

void RunConversation::enter(State state, Instant now) {
    state_ = state;
    deadline_ = now + patience();
    news_.step(now);
    if (state == State::running) running_since_ = now;
    if (state == State::stopping) news_.stopping();
}

Duration RunConversation::patience() const {
    switch (state_) {
        case State::submitting:
            return deadlines_.submitting;
        case State::preparing:
            return deadlines_.preparing + submit_.options.ready_deadline;
        case State::running:
            return deadlines_.running;
        case State::stopping:
            return deadlines_.stopping;
        case State::idle:
        case State::over:
            break;
    }
    return Duration::zero();
}

std::string RunConversation::waited_for() const {
    switch (state_) {
        case State::submitting:
            return "the controller to accept the topology";
        case State::preparing:
            return "the hosts to be ready and the run to begin";
        case State::running:
            return "a sign of life of the run";
        case State::stopping:
            return "the run to end";
        case State::idle:
        case State::over:
            break;
    }
    return {};
}

void RunConversation::give_up(ExitCode code, std::string message) {
    state_ = State::over;
    aborted_ = {interrupted_ ? ExitCode::interrupted : code, std::move(message)};
    output_.progress({});
}

}  // namespace pleat
