// pleat submit, up, start, stop, down, ps, wait, inspect: runs on a running controller.
#include <algorithm>
#include <random>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/commands.hh"
#include "cli/controller_link.hh"
#include "cli/format.hh"
#include "cli/json.hh"
#include "cli/load.hh"
#include "cli/run_once.hh"
#include "cli/run_results.hh"
#include "readers/read_scenario.hh"

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
        rows.push_back({run.run, run.name, run.state, run.submitted_at,
                        fmt::format("{}", fmt::join(run.machines, ","))});
    }
    return table(rows);
}

RunResults results_of(RunFinished finished, const std::string& directory) {
    return unchecked_results(std::move(finished), directory, {});
}

ExitCode end_of(const RunFinished& finished, Output& output) {
    for (const std::string& problem : finished.problems) output.error(problem);
    return exit_code_of(results_of(finished, {}), false);
}

// Or has ended, which it tells.
ExitCode wait_until_it_runs(ControllerLink& link, const std::string& run, Output& output) {
    const auto runs = [](const ControlMessage& message) {
        const auto* const stage = std::get_if<Stage>(&message);
        return (stage != nullptr && stage->name == "begin") ||
               std::holds_alternative<Progress>(message) ||
               std::holds_alternative<RunFinished>(message);
    };
    const auto answer = link.ask_for(Watch{.run = run}, runs, false);
    if (!answer) return failed(answer.error(), output);
    const auto* const finished = std::get_if<RunFinished>(&*answer);
    return finished == nullptr ? ExitCode::ok : end_of(*finished, output);
}

// Nothing is left of a run whose end was told. How it ended is not asked here.
ExitCode take_down(ControllerLink& link, const std::string& run, Output& output) {
    const auto runs = link.ask<Runs>(ListRuns{});
    if (!runs) return failed(runs.error(), output);
    const auto found = std::ranges::find(runs->runs, run, &RunInfo::run);
    const bool under_way = found != runs->runs.end() && !found->machines.empty();
    if (under_way) {
        const auto stopped = link.ask<Done>(StopRun{.run = run, .reason = "taken down"});
        if (!stopped) return failed(stopped.error(), output);
    }
    const auto finished = link.wait<RunFinished>(Watch{.run = run});
    return finished ? ExitCode::ok : failed(finished.error(), output);
}

}  // namespace

ExitCode execute(const SubmitArguments& arguments, Output& output) {
    const std::optional<Scenario> scenario = load_topology(arguments.topology, output);
    if (!scenario) return ExitCode::invalid_topology;
    if (refuse_unsuitable(*scenario, true, output)) return ExitCode::invalid_topology;
    const auto place = controller(arguments.controller, output);
    if (!place) return ExitCode::controller_unreachable;
    ControllerLink link{*place};
    std::random_device entropy;
    Submit submit;
    submit.scenario = *scenario;
    submit.source_text = write_yaml(*scenario);
    submit.options.run = fmt::format("r-{:08x}", entropy());
    submit.options.sample_interval = usual_samples(*scenario).interval.value_or(Duration::zero());
    submit.options.encrypt = arguments.encrypt;
    submit.options.takeover = arguments.takeover;
    submit.detached = true;
    submit.ignore_network = arguments.ignore_network;
    const auto submitted = link.ask<Submitted>(submit);
    if (!submitted) return failed(submitted.error(), output);
    for (const std::string& note : submitted->notes) output.warning(note);
    if (arguments.start) {
        const auto started = link.ask<Done>(StartRun{.run = submit.options.run});
        if (!started) return failed(started.error(), output);
    }
    output.data(submit.options.run + "\n");
    return arguments.up ? wait_until_it_runs(link, submit.options.run, output) : ExitCode::ok;
}

ExitCode execute(const RunVerbArguments& arguments, Output& output) {
    using Action = RunVerbArguments::Action;
    const auto place = controller(arguments.controller, output);
    if (!place) return ExitCode::controller_unreachable;
    ControllerLink link{*place};
    switch (arguments.action) {
        case Action::start: {
            const auto done = link.ask<Done>(StartRun{.run = arguments.run});
            return done ? ExitCode::ok : failed(done.error(), output);
        }
        case Action::stop: {
            const auto stops = [](const ControlMessage& message) {
                return std::holds_alternative<Done>(message) ||
                       std::holds_alternative<RunFinished>(message);
            };
            const auto done = link.ask_for(
                StopRun{.run = arguments.run, .reason = "stopped by an operator"}, stops, true);
            if (!done) return failed(done.error(), output);
            if (std::holds_alternative<RunFinished>(*done)) {
                output.note("run " + arguments.run + " has ended already");
            }
            return ExitCode::ok;
        }
        case Action::list: {
            const auto runs = link.ask<Runs>(ListRuns{});
            if (!runs) return failed(runs.error(), output);
            output.data(arguments.json ? runs_document(*runs) : run_table(*runs));
            return ExitCode::ok;
        }
        case Action::wait: {
            const auto finished = link.wait<RunFinished>(Watch{.run = arguments.run});
            if (!finished) return failed(finished.error(), output);
            return end_of(*finished, output);
        }
        case Action::down:
            return take_down(link, arguments.run, output);
        case Action::inspect: {
            const auto details = link.ask<RunDetails>(Inspect{.run = arguments.run});
            if (!details) return failed(details.error(), output);
            const RunResults results = results_of(details->results, details->info.directory);
            if (arguments.json) {
                output.data(run_document(results, details->scenario, false, true));
            } else {
                output.data(fmt::format("run {}  {}  {}  on {}\n", details->info.run,
                                        details->info.name, details->info.state,
                                        fmt::join(details->info.machines, ", ")));
                for (const std::string& problem : details->results.problems) {
                    output.data("problem: " + problem + "\n");
                }
                // Its first line is of a run that has just ended.
                const std::string text = summary(results, details->scenario);
                output.data(text.substr(text.find('\n') + 1));
            }
            return ExitCode::ok;
        }
    }
    return ExitCode::failed;
}

}  // namespace pleat
