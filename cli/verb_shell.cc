// pleat shell: one command on a host whose only link leads to this machine's own network.
#include <algorithm>
#include <cstdlib>
#include <memory>

#include "cli/command_streams.hh"
#include "cli/commands.hh"
#include "cli/run_once.hh"
#include "readers/read_scenario.hh"

namespace pleat {
namespace {

constexpr std::string_view kHost = "shell";

const HostResult* result_of(const RunResults& results, HostId host) {
    const auto& hosts = results.finished.hosts;
    const auto it = std::ranges::find(hosts, host, &HostResult::host);
    return it == hosts.end() ? nullptr : &*it;
}

// The user's own shell, when no command is given.
std::vector<std::string> users_shell() {
    const char* const shell = std::getenv("SHELL");  // NOLINT(concurrency-mt-unsafe): one thread
    return {shell != nullptr && *shell != '\0' ? shell : "/bin/sh"};
}

}  // namespace

ExitCode execute(const ShellArguments& arguments, Output& output) {
    Result<Scenario> scenario = read_link_spec(arguments.link);
    if (!scenario) {
        output.error(scenario.error().message);
        return ExitCode::usage;
    }
    if (arguments.seed) scenario->seed = *arguments.seed;
    const std::optional<HostId> host = scenario->topology.find_host(kHost);
    PLEAT_ASSERT(host.has_value());
    Application& application = scenario->applications[host->value];
    application.arguments = arguments.command.empty() ? users_shell() : arguments.command;
    application.main = true;
    if (refuse_unsuitable(*scenario, true, output)) return ExitCode::invalid_topology;

    Interrupts interrupts;
    // The command's output is what is wanted: no stages, no summary.
    output.be_quiet();
    clean_quietly(output);
    const auto connect = [](const std::string& runtime_directory) {
        auto streams = std::make_shared<CommandStreams>(runtime_directory);
        return [streams] { streams->follow_window(); };
    };
    const auto outcome = run_once({.scenario = *scenario,
                                   .out = arguments.out,
                                   .data_plane = arguments.data_plane,
                                   .no_applications = false,
                                   .samples = usual_samples(*scenario),
                                   .explain_failures = false,
                                   .watch = connect},
                                  interrupts, output);
    if (const auto* const code = std::get_if<ExitCode>(&outcome)) return *code;
    const auto& results = std::get<RunResults>(outcome);
    const HostResult* const shell = result_of(results, *host);
    if (results.finished.interrupted || shell == nullptr || !shell->exit_code) {
        if (shell != nullptr && !shell->problem.empty()) output.error(shell->problem);
        const ExitCode code = exit_code_of(results, false);
        return code == ExitCode::ok ? ExitCode::failed : code;
    }
    return static_cast<ExitCode>(*shell->exit_code);
}

}  // namespace pleat
