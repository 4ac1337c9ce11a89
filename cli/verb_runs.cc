// pleat start, stop, down, ps, wait, inspect: runs on a running controller.
#include <fmt/format.h>

#include "base/joined.hh"
#include "cli/commands.hh"
#include "cli/controller_link.hh"
#include "cli/format.hh"
#include "cli/json.hh"
#include "cli/run_names.hh"
#include "cli/run_news.hh"
#include "cli/run_results.hh"

namespace pleat {
namespace {

ExitCode failed(const LinkFailure& failure, Output& output) {
    output.error(failure.message);
    return failure.code;
}

std::optional<ControllerPlace> controller(const std::string& given, Output& output) {
    const Result<ControllerPlace> place = find_controller(given);
    if (place) return *place;
    output.error(place.error().message);
    return {};
}

std::string run_table(const Runs& runs) {
    std::vector<std::vector<std::string>> rows{{"RUN", "NAME", "STATE", "SUBMITTED", "MACHINES"}};
    for (const RunInfo& run : runs.runs) {
        rows.push_back({run.run, run.name, run.state, run.submitted_at, joined(run.machines, ",")});
    }
    return table(rows);
}

std::string details_text(const RunDetails& details, const RunResults& results) {
    std::string text = fmt::format("run {}  {}  {}  on {}\n", details.info.run, details.info.name,
                                   details.info.state, joined(details.info.machines, ", "));
    for (const std::string& problem : details.results.problems) {
        text += "problem: " + problem + "\n";
    }
    // Its first line is of a run that has just ended.
    const std::string ended = summary(results, details.scenario);
    return text + ended.substr(ended.find('\n') + 1);
}

RunResults results_of(RunFinished finished, const std::string& directory) {
    return unchecked_results(std::move(finished), directory, {});
}

ExitCode end_of(const RunFinished& finished, Output& output) {
    for (const std::string& problem : finished.problems) output.error(problem);
    return exit_code_of(results_of(finished, {}), false);
}

// Done, or the results of one that has just ended by itself.
tl::expected<ControlMessage, LinkFailure> end_by_order(ControllerLink& link, const std::string& run,
                                                       const std::string& reason) {
    const auto stops = [](const ControlMessage& message) {
        return std::holds_alternative<Done>(message) ||
               std::holds_alternative<RunFinished>(message);
    };
    return link.ask_for(StopRun{.run = run, .reason = reason}, stops, true);
}

// What the run shall be, for the line of progress: asked for only where that is seen.
std::optional<Scenario> scenario_of(ControllerLink& link, const std::string& run,
                                    const Output& output) {
    if (!output.style().terminal || output.style().quiet) return {};
    auto details = link.ask<RunDetails>(Inspect{.run = run});
    if (!details) return {};
    return std::move(details->scenario);
}

// Shows what is told of the run meanwhile.
tl::expected<RunFinished, LinkFailure> watch_to_its_end(ControllerLink& link,
                                                        const std::string& run, RunNews& news,
                                                        std::optional<Instant> until) {
    const auto ends = [&news](const ControlMessage& message) {
        news.show(message, monotonic_now());
        return std::holds_alternative<RunFinished>(message);
    };
    auto finished = link.ask_for(Watch{.run = run}, ends, false, until);
    if (!finished) return tl::unexpected{finished.error()};
    return std::get<RunFinished>(*std::move(finished));
}

ExitCode wait_for_end(ControllerLink& link, const RunInfo& run, const RunVerbArguments& arguments,
                      Output& output) {
    const std::optional<Scenario> scenario = scenario_of(link, run.run, output);
    const Instant now = monotonic_now();
    RunNews news{output, scenario ? &*scenario : nullptr, now};
    news.wait_for("waiting", fmt::format("for {} ({})", run.run, run.state));
    std::optional<Instant> until;
    if (arguments.timeout) until = now + *arguments.timeout;
    const auto finished = watch_to_its_end(link, run.run, news, until);
    output.progress({});
    if (!finished && finished.error().code == ExitCode::timeout) {
        output.error(
            fmt::format("run {} has not ended within {}", run.run, spoken(*arguments.timeout)));
        const auto state = find_run(link, run.run);
        if (arguments.json) {
            output.data(
                end_document(run.run, state ? state->state : run.state, ExitCode::timeout, {}));
        }
        return ExitCode::timeout;
    }
    if (!finished) return failed(finished.error(), output);
    const ExitCode code = end_of(*finished, output);
    if (arguments.json) {
        output.data(end_document(run.run, state_of(*finished), code, finished->problems));
    }
    return code;
}

// Nothing is left of a run whose end was told. How it ended is not asked here.
ExitCode take_down(ControllerLink& link, const RunInfo& run, Output& output) {
    RunNews news{output, nullptr, monotonic_now()};
    if (!run.machines.empty()) {
        news.stopping();
        news.wait_for("stopping", run.run);
        const auto stopped = end_by_order(link, run.run, "taken down");
        if (!stopped) return failed(stopped.error(), output);
    }
    const auto finished = watch_to_its_end(link, run.run, news, {});
    output.progress({});
    return finished ? ExitCode::ok : failed(finished.error(), output);
}

}  // namespace

ExitCode execute(const RunVerbArguments& arguments, Output& output) {
    using Action = RunVerbArguments::Action;
    const auto place = controller(arguments.controller, output);
    if (!place) return ExitCode::controller_unreachable;
    ControllerLink link{*place};
    if (arguments.action == Action::list) {
        const auto runs = link.ask<Runs>(ListRuns{});
        if (!runs) return failed(runs.error(), output);
        output.data(arguments.json ? runs_document(*runs) : run_table(*runs));
        return ExitCode::ok;
    }
    const auto run = find_run(link, arguments.run);
    if (!run) return failed(run.error(), output);
    switch (arguments.action) {
        case Action::start: {
            const auto done = link.ask<Done>(StartRun{.run = run->run});
            return done ? ExitCode::ok : failed(done.error(), output);
        }
        case Action::stop: {
            const auto done = end_by_order(link, run->run, "stopped by an operator");
            if (!done) return failed(done.error(), output);
            if (std::holds_alternative<RunFinished>(*done)) {
                output.note("run " + run->run + " has ended already");
            }
            return ExitCode::ok;
        }
        case Action::wait:
            return wait_for_end(link, *run, arguments, output);
        case Action::down:
            return take_down(link, *run, output);
        case Action::inspect: {
            const auto details = link.ask<RunDetails>(Inspect{.run = run->run});
            if (!details) return failed(details.error(), output);
            const RunResults results = results_of(details->results, details->info.directory);
            output.data(arguments.json ? run_document(results, details->scenario, false, true)
                                       : details_text(*details, results));
            return ExitCode::ok;
        }
        case Action::list:
            break;
    }
    return ExitCode::failed;
}

}  // namespace pleat
