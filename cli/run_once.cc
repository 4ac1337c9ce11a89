#include "cli/run_once.hh"

#include <algorithm>
#include <iterator>
#include <random>
#include <utility>

#include <fmt/format.h>

#include "base/files.hh"
#include "base/run_ledger.hh"
#include "cli/log_file.hh"
#include "cli/not_yet.hh"
#include "cli/run_place.hh"
#include "cli/run_session.hh"
#include "model/plane_choice.hh"
#include "readers/read_scenario.hh"

namespace pleat {
namespace {

using namespace std::chrono_literals;

constexpr const char* kUsualParent = "pleat-runs";
constexpr std::size_t kManyHosts = 500;
constexpr std::size_t kLogLines = 5;

// Where the run's directories are, the caller knows, or the controller.
Submit submission(const RunRequest& request, const std::string& run) {
    Submit submit;
    submit.scenario = request.scenario;
    submit.source_text = write_yaml(request.scenario);
    submit.options.run = run;
    submit.options.data_plane = request.data_plane;
    submit.options.samples = request.samples.interval.has_value();
    submit.options.sample_interval = request.samples.interval.value_or(Duration::zero());
    submit.options.no_applications = request.no_applications;
    submit.options.compare_shares = request.compare_shares;
    submit.options.encrypt = request.encrypt;
    submit.options.takeover = request.takeover;
    submit.ignore_network = request.ignore_network;
    return submit;
}

// Whatever a run could not tidy up is told, and does not change what came of it.
void dissolve(RunPlace& place, const std::vector<std::string>& problems, Output& output) {
    for (const std::string& problem : problems) output.warning(problem);
    try {
        place.ledger.dissolve();
    } catch (const std::exception& error) {
        output.warning(error.what());
    }
}

void explain_failures(const RunResults& results, const Scenario& scenario, const RunPlace& place,
                      Output& output) {
    if (!results.finished.failed) return;
    for (const HostResult& host : results.finished.hosts) {
        const std::size_t index = host.host.value;
        const bool is_main =
            index < scenario.applications.size() && scenario.applications[index].main;
        if (!is_main || host.ended_by_us || host.exit_code.value_or(0) == 0) continue;
        output.error(fmt::format(
            "{} exited with code {}; the end of {}/{}:", scenario.topology.hosts()[index].name,
            *host.exit_code, place.directory, host.log));
        output.complaint(log_tail(place.absolute_directory + "/" + host.log, kLogLines));
    }
}

}  // namespace

SampleChoice usual_samples(const Scenario& scenario) {
    return {.interval =
                scenario.topology.hosts().size() < kManyHosts ? Duration{100ms} : Duration{1s}};
}

bool refuse_unsuitable(const Scenario& scenario, bool with_applications, Output& output) {
    const std::vector<std::string> refused = not_yet(scenario, with_applications);
    for (const std::string& sentence : refused) output.error(sentence);
    return !refused.empty();
}

void clean_quietly(Output& output) {
    const CleanReport report = clean();
    if (!report.cleaned.empty()) {
        std::string names;
        for (const RunLeftover& leftover : report.cleaned) {
            names += (names.empty() ? "" : ", ") + leftover.run;
        }
        output.note(fmt::format("cleaned up after {}: {} processes ended, {} paths removed{}",
                                names, report.processes_ended, report.paths_removed,
                                report.interfaces_restored == 0
                                    ? ""
                                    : ", this machine's interface is as it was before"));
    }
    for (const std::string& problem : report.problems) output.warning(problem);
}

std::variant<RunResults, ExitCode> run_once(const RunRequest& request, Interrupts& interrupts,
                                            Output& output) {
    std::random_device entropy;
    RunPlace place = make_run_place(request.out.empty() ? kUsualParent : request.out,
                                    [&entropy] { return entropy(); });
    std::vector<std::string> problems;
    RunOutcome outcome;
    Submit submit;
    try {
        submit = submission(request, place.run);
        submit.options.run_directory = place.absolute_directory;
        submit.options.runtime_directory = place.ledger.directory();
        write_new_file(place.absolute_directory + "/topology.yaml", submit.source_text);
        RunSession session;
        session.processes = own_processes(submit.options, place.endpoint(), place.ledger);
        session.submit = std::move(submit);
        session.endpoint = place.endpoint();
        if (request.watch) session.each_tick = request.watch(place.ledger.directory());
        outcome = run(std::move(session), place.ledger, interrupts, output);
    } catch (...) {
        dissolve(place, {}, output);
        throw;
    }
    dissolve(place, outcome.problems, output);

    if (!outcome.finished) {
        output.error(outcome.aborted.message);
        output.note("what there is of the run is in " + place.directory);
        return outcome.aborted.code;
    }
    RunResults results =
        unchecked_results(std::move(*outcome.finished), place.directory, outcome.took);
    for (const std::string& problem : results.finished.problems) output.error(problem);
    if (request.explain_failures) explain_failures(results, request.scenario, place, output);
    return results;
}

std::variant<RunResults, ExitCode> run_on_controller(const RunRequest& request,
                                                     const ControllerPlace& controller,
                                                     Interrupts& interrupts, Output& output) {
    std::random_device entropy;
    const std::string run_name = fmt::format("r-{:08x}", entropy());
    RunSession session;
    session.submit = submission(request, run_name);
    session.endpoint = controller.endpoint;
    session.pass = controller.pass;
    session.deadlines.submitting = 30s;
    RunOutcome outcome = run_elsewhere(std::move(session), interrupts, output);
    if (!outcome.finished) {
        output.error(outcome.aborted.message);
        return outcome.aborted.code;
    }
    RunResults results = unchecked_results(std::move(*outcome.finished),
                                           "runs/" + run_name + " of the controller", outcome.took);
    for (const std::string& problem : results.finished.problems) output.error(problem);
    return results;
}

}  // namespace pleat
