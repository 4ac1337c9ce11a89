// Orders about runs.
#include "controller/run_orders.hh"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/log.hh"
#include "controller/admission.hh"
#include "controller/finished_runs.hh"
#include "controller/fresh_directory.hh"
#include "model/bare_metal.hh"

namespace pleat {

namespace {

// A run that was submitted for later may wait for its start so long.
constexpr Duration kDetachedPatience = std::chrono::hours{24};

}  // namespace

// ---- the life of a run

void RunOrders::carry_out(const Caller& caller, Submit order) {
    const Instant began = monotonic_now();
    const std::string run = order.options.run;
    const bool detached = order.detached;
    if (closed_) return caller.refuse("the controller is shutting down");
    auto verdict = admit(std::move(order), {.store = outside_.store,
                                            .members = outside_.members,
                                            .nodes = outside_.nodes,
                                            .ways = outside_.ways,
                                            .runs = outside_.runs,
                                            .state_directory = outside_.state_directory});
    if (const auto* const refused = std::get_if<Refused>(&verdict)) return caller.answer(*refused);
    Admitted admitted = std::get<Admitted>(std::move(verdict));
    std::optional<Caller> owner;
    if (!detached) owner = caller;
    SessionDeadlines deadlines = outside_.deadlines;
    if (detached) deadlines.start = kDetachedPatience;
    const Duration stopping = stop_patience(admitted.plan.scenario);
    deadlines.ending += stopping;
    deadlines.end_margin += stopping;
    FreshDirectory directory{admitted.plan.options.run_directory};
    auto added = std::make_unique<ActiveRun>(outside_.store, std::move(admitted.plan), deadlines,
                                             outside_.outputs(run), std::move(owner));
    if (!detached) added->watchers.push_back(caller);
    Submitted answer = summary(added->plan, monotonic_now() - began);
    answer.notes = std::move(admitted.notes);
    outside_.runs.add(std::move(added));
    directory.keep();
    log::info("run accepted run={} hosts={} epochs={}", run, answer.hosts, answer.epochs);
    caller.say(answer, run);
}

void RunOrders::carry_out(const Caller& caller, const StartRun& order) {
    const ActiveRun* const run = outside_.runs.find(order.run);
    if (run == nullptr) return caller.refuse("there is no run " + order.run + " to start");
    const bool detached = !run->owner;
    const Result<void> started = outside_.runs.with(order.run, [this](ActiveRun& found) {
        found.session.start(outside_.nodes.present(), monotonic_now());
    });
    if (!started) return caller.refuse(started.error().message);
    if (detached) caller.say(Done{});
}

void RunOrders::carry_out(const Caller& caller, const StopRun& order) {
    if (const ActiveRun* const run = outside_.runs.find(order.run)) {
        const bool answer = run->owner != caller;
        const Result<void> stopped = outside_.runs.with(order.run, [&](ActiveRun& found) {
            found.session.stop(order.reason, monotonic_now());
        });
        if (!stopped) return caller.refuse(stopped.error().message);
        if (answer) caller.say(Done{});
        return;
    }
    // It may just have ended: then this is told twice to a command line that waits for it.
    if (outside_.store.has_run(order.run)) {
        caller.say(results_of_ended(order.run), order.run);
        return;
    }
    caller.refuse("there is no run " + order.run + " to stop");
}

void RunOrders::carry_out(const Caller& caller, const Watch& order) {
    if (ActiveRun* const run = outside_.runs.find(order.run)) {
        run->watchers.push_back(caller);
        if (order.own) run->owner = caller;
        return;
    }
    if (!outside_.store.has_run(order.run)) {
        return caller.refuse("there is no run " + order.run);
    }
    caller.say(results_of_ended(order.run), order.run);
}

void RunOrders::carry_out(const Caller& caller, const ChangeRun& order) {
    if (outside_.runs.find(order.run) == nullptr) {
        return caller.refuse("there is no run " + order.run + " under way");
    }
    const std::uint32_t asker = questions_.ask(order.run, caller, 0);
    const Result<void> changed = outside_.runs.with(order.run, [&](ActiveRun& run) {
        run.session.change(asker, order.lines, monotonic_now());
    });
    if (!changed && questions_.answered(asker)) caller.refuse(changed.error().message);
}

void RunOrders::answer_asker(const std::string& run, std::uint32_t asker,
                             const ControlMessage& message) {
    const auto asked = questions_.answered(asker);
    if (!asked) return;
    if (const auto* refused = std::get_if<Refused>(&message)) {
        return asked->first.refuse(refused->message);
    }
    asked->first.say(message, run);
}

// ---- what is known of runs

void RunOrders::carry_out(const Caller& caller, const ListRuns& /*order*/) {
    caller.say(Runs{.runs = list()});
}

void RunOrders::carry_out(const Caller& caller, const Inspect& order) {
    std::vector<RunInfo> all = list();
    const auto info = std::ranges::find(all, order.run, &RunInfo::run);
    if (info == all.end()) return caller.refuse("there is no run " + order.run);
    if (const ActiveRun* const active = outside_.runs.find(order.run)) {
        caller.say(RunDetails{.info = *std::move(info),
                              .scenario = active->plan.scenario,
                              .results = active->session.results()});
        return;
    }
    caller.answer(details_of(outside_.store, *std::move(info), results_of_ended(order.run)));
}

std::vector<RunInfo> RunOrders::list() const {
    std::vector<RunInfo> result;
    for (const StoredRun& run : outside_.store.runs()) {
        RunInfo& info = result.emplace_back(RunInfo{.run = run.run,
                                                    .name = run.name,
                                                    .state = run.state,
                                                    .problem = run.problem,
                                                    .directory = run.directory,
                                                    .submitted_at = run.submitted_at,
                                                    .machines = {}});
        if (const RunFinished* const late = outside_.late_ends.find(run.run)) {
            info.state = name_of(end_state(*late));
        }
        const ActiveRun* const active = outside_.runs.find(run.run);
        if (active == nullptr) continue;
        for (const MachinePart& part : active->plan.parts) info.machines.push_back(part.machine);
    }
    return result;
}

RunFinished RunOrders::results_of_ended(const std::string& run) const {
    const RunFinished* const late = outside_.late_ends.find(run);
    return late != nullptr ? *late : results_of(outside_.store, run);
}

// ---- what is asked of hosts

// Of a run under way its host's node knows; of one that is over, we.
void RunOrders::carry_out(const Caller& caller, ReadOutput order) {
    if (outside_.runs.find(order.run) != nullptr) return ask_node(caller, std::move(order));
    caller.answer(output_of(outside_.store, order));
}

void RunOrders::carry_out(const Caller& caller, RunOnHost order) {
    ask_node(caller, std::move(order));
}

template <typename Question>
void RunOrders::ask_node(const Caller& caller, Question question) {
    const ActiveRun* const run = outside_.runs.find(question.run);
    if (run == nullptr) {
        return caller.refuse("there is no run " + question.run + " under way");
    }
    const auto host = host_named(run->plan, question.host);
    if (!host) {
        return caller.refuse("there is no host " + question.host + " in run " + question.run);
    }
    const auto part = std::ranges::find_if(run->plan.parts, [&host](const MachinePart& each) {
        return std::ranges::binary_search(each.hosts, *host);
    });
    question.ticket = questions_.ask(question.run, caller, question.ticket);
    const Node* const node = outside_.nodes.find(part->machine);
    if (node != nullptr && node->connected && node->peer.say(question, question.run)) return;
    static_cast<void>(questions_.answered(question.ticket));
    caller.refuse(
        fmt::format("machine {}, where {} is, is not connected", part->machine, question.host));
}

bool RunOrders::pass_on(const std::string& run, const ControlMessage& message) {
    const auto passed = [&](auto answer, bool last) {
        const auto asker =
            last ? questions_.answered(answer.ticket) : questions_.whose(answer.ticket);
        if (asker) {
            answer.ticket = asker->second;
            asker->first.say(answer, run);
        }
        return true;
    };
    if (const auto* piece = std::get_if<OutputPiece>(&message)) return passed(*piece, true);
    if (const auto* ran = std::get_if<RanOnHost>(&message)) {
        return passed(*ran, ran->exit_code.has_value());
    }
    return false;
}

void RunOrders::run_over(const std::string& run) {
    for (const Caller& waiting : questions_.end(run)) {
        waiting.refuse("the run " + run + " has ended");
    }
}

}  // namespace pleat
