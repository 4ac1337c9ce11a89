// pleat submit, up: a topology goes to a running controller.
#include <random>

#include <fmt/format.h>

#include "cli/commands.hh"
#include "cli/controller_link.hh"
#include "cli/format.hh"
#include "cli/json.hh"
#include "cli/load.hh"
#include "cli/run_news.hh"
#include "cli/run_once.hh"
#include "cli/run_results.hh"
#include "readers/read_scenario.hh"

namespace pleat {
namespace {

ExitCode failed(const LinkFailure& failure, Output& output) {
    output.error(failure.message);
    return failure.code;
}

// The end of the run, where it has ended instead.
tl::expected<std::optional<RunFinished>, LinkFailure> wait_until_it_runs(ControllerLink& link,
                                                                         const std::string& run,
                                                                         RunNews& news) {
    const auto runs = [&news](const ControlMessage& message) {
        news.show(message, monotonic_now());
        const auto* const stage = std::get_if<Stage>(&message);
        return (stage != nullptr && stage->name == "begin") ||
               std::holds_alternative<Progress>(message) ||
               std::holds_alternative<RunFinished>(message);
    };
    auto answer = link.ask_for(Watch{.run = run}, runs, false);
    if (!answer) return tl::unexpected{answer.error()};
    auto* const finished = std::get_if<RunFinished>(&*answer);
    if (finished == nullptr) return std::nullopt;
    return std::move(*finished);
}

Submit submission(const SubmitArguments& arguments, const Scenario& scenario) {
    std::random_device entropy;
    Submit submit;
    submit.scenario = scenario;
    submit.source_text = write_yaml(scenario);
    submit.options.run = fmt::format("r-{:08x}", entropy());
    submit.options.sample_interval = usual_samples(scenario).interval.value_or(Duration::zero());
    submit.options.encrypt = arguments.encrypt;
    submit.options.takeover = arguments.takeover;
    submit.detached = true;
    submit.ignore_network = arguments.ignore_network;
    return submit;
}

}  // namespace

ExitCode execute(const SubmitArguments& arguments, Output& output) {
    const std::optional<Scenario> scenario = load_topology(arguments.topology, output);
    if (!scenario) return ExitCode::invalid_topology;
    if (refuse_unsuitable(*scenario, true, output)) return ExitCode::invalid_topology;
    const Result<ControllerPlace> place = find_controller(arguments.controller);
    if (!place) {
        output.error(place.error().message);
        return ExitCode::controller_unreachable;
    }
    ControllerLink link{*place};
    const Submit submit = submission(arguments, *scenario);
    const std::string& run = submit.options.run;
    RunNews news{output, &*scenario, monotonic_now()};
    news.wait_for("topology", "computing paths");
    const auto submitted = link.ask<Submitted>(submit);
    if (!submitted) return failed(submitted.error(), output);
    output.done("topology",
                fmt::format("{}, {}, {}", counted(submitted->hosts, "host"),
                            counted(submitted->epochs, "epoch"), counted(submitted->paths, "path")),
                seconds(submitted->took));
    for (const std::string& note : submitted->notes) output.warning(note);
    if (arguments.start) {
        const auto started = link.ask<Done>(StartRun{.run = run});
        if (!started) return failed(started.error(), output);
    }
    if (!arguments.json) {
        output.data(run + "\n");
        flush_stdout();  // before it is waited for
    }
    std::string state = arguments.start ? "starting" : "submitted";
    ExitCode code = ExitCode::ok;
    if (arguments.up) {
        news.step(monotonic_now());
        news.wait_for("hosts", "waiting for hosts");
        const auto ended = wait_until_it_runs(link, run, news);
        output.progress({});
        if (!ended) {
            code = failed(ended.error(), output);
        } else if (*ended) {
            for (const std::string& problem : (*ended)->problems) output.error(problem);
            state = state_of(**ended);
            code = exit_code_of(unchecked_results(**ended, {}, {}), false);
        } else {
            state = "running";
        }
    }
    if (arguments.json) output.data(submission_document(*submitted, run, scenario->name, state));
    return code;
}

}  // namespace pleat
