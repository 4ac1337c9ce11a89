// One run of a scenario, from an empty directory to results: what `run` and `shell`
// have in common.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <variant>

#include "cli/arguments.hh"
#include "cli/controller_link.hh"
#include "cli/interrupts.hh"
#include "cli/output.hh"
#include "cli/run_results.hh"
#include "model/scenario.hh"

namespace pleat {

struct RunRequest {
    const Scenario& scenario;
    std::string out;         // where run directories are made; empty: ./pleat-runs
    std::string data_plane;  // empty: chosen
    bool no_applications = false;
    SampleChoice samples;
    bool compare_shares = false;
    bool encrypt = false;
    bool takeover = false;
    bool ignore_network = false;
    bool explain_failures = true;  // show the end of the logs of hosts that failed
    // Told the run's runtime directory before anything starts; what it returns is called
    // about 20 times a second while the run is under way, and lives as long. May be empty.
    std::function<std::function<void()>(const std::string& runtime_directory)> watch;
};

// The same on a running controller, whose machines have the hosts; results stay there.
std::variant<RunResults, ExitCode> run_on_controller(const RunRequest& request,
                                                     const ControllerPlace& controller,
                                                     Interrupts& interrupts, Output& output);

// The results, or what to exit with when there are none: the reason has been shown.
std::variant<RunResults, ExitCode> run_once(const RunRequest& request, Interrupts& interrupts,
                                            Output& output);

// How often to sample when nothing else is asked for. How many flows there will be is not
// known before a run; about two a host are assumed, and above 1,000 a second is enough.
SampleChoice usual_samples(const Scenario& scenario);

// Shows by name what this version can't run; true when there is such a thing.
bool refuse_unsuitable(const Scenario& scenario, bool with_applications, Output& output);

// What dead runs of this user left behind goes first, with one line about it.
void clean_quietly(Output& output);

}  // namespace pleat
