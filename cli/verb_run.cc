// pleat run: a topology from start to end, on this machine or on those of a controller.
#include <fmt/format.h>

#include "cli/commands.hh"
#include "cli/controller_link.hh"
#include "cli/json.hh"
#include "cli/load.hh"
#include "cli/run_once.hh"

namespace pleat {
namespace {

// What was asked for and will not come: said before the run, not after it.
void warn(const RunArguments& arguments, const Scenario& scenario, Output& output) {
    if (!scenario.expectations.empty()) {
        output.warning("this version does not check the expect: lines of a topology yet");
    }
    if (arguments.require_fidelity) {
        output.warning(
            "this version does not judge fidelity yet: the verdict will be 'unchecked' and the "
            "exit code 4");
    }
    const bool idle = arguments.no_applications && !scenario.duration;
    if (idle) output.note("no applications and no duration: the run ends with its last event");
}

}  // namespace

ExitCode execute(const RunArguments& arguments, Output& output) {
    const std::optional<Scenario> scenario = load_topology(arguments.topology, output);
    if (!scenario) return ExitCode::invalid_topology;
    const bool with_applications = !arguments.no_applications;
    if (refuse_unsuitable(*scenario, with_applications, output)) {
        return ExitCode::invalid_topology;
    }
    warn(arguments, *scenario, output);

    std::optional<ControllerPlace> controller;
    if (!controller_named(arguments.controller).empty()) {
        const Result<ControllerPlace> place = find_controller(arguments.controller);
        if (!place) {
            output.error(place.error().message);
            return ExitCode::controller_unreachable;
        }
        controller = *place;
        // It may have been named long ago.
        if (arguments.controller.empty()) {
            output.note(fmt::format("on the machines of {} (PLEAT_CONTROLLER)", place->endpoint));
        }
        if (!arguments.out.empty()) {
            output.warning("--out has no effect: the results stay with the controller");
        }
    }
    Interrupts interrupts;
    if (!controller) clean_quietly(output);
    const RunRequest request{.scenario = *scenario,
                             .out = arguments.out,
                             .data_plane = arguments.data_plane,
                             .no_applications = arguments.no_applications,
                             .samples = arguments.samples.value_or(usual_samples(*scenario)),
                             .compare_shares = arguments.compare_shares,
                             .encrypt = arguments.encrypt,
                             .takeover = arguments.takeover,
                             .ignore_network = arguments.ignore_network,
                             .explain_failures = true,
                             .watch = {}};
    ExitCode worst = ExitCode::ok;
    for (std::uint32_t i = 0; i < arguments.repeat; ++i) {
        const auto outcome = controller
                                 ? run_on_controller(request, *controller, interrupts, output)
                                 : run_once(request, interrupts, output);
        if (const auto* const code = std::get_if<ExitCode>(&outcome)) return *code;
        const auto& results = std::get<RunResults>(outcome);
        output.data(arguments.json ? run_document(results, *scenario, arguments.samples.has_value(),
                                                  arguments.repeat == 1)
                                   : summary(results, *scenario));
        const ExitCode code = exit_code_of(results, arguments.require_fidelity);
        if (code == ExitCode::fidelity) {
            output.error("the verdict is '" + results.verdict + "', not 'ok'");
        }
        if (worst == ExitCode::ok) worst = code;
        if (code == ExitCode::interrupted) return code;
    }
    return worst;
}

}  // namespace pleat
