// pleat set, do, partition, heal, link, mark: changes of a run under way.
#include <fmt/format.h>

#include "base/joined.hh"
#include "cli/commands.hh"
#include "cli/json.hh"
#include "cli/running_run.hh"

namespace pleat {

ExitCode execute(const ChangeArguments& arguments, Output& output) {
    const auto found = find_running_run(arguments.controller, arguments.run);
    if (!found) {
        output.error(found.error().message);
        return found.error().code;
    }
    ControllerLink link{found->place, std::chrono::seconds{30}};
    const auto changed =
        link.ask<RunChanged>(ChangeRun{.run = found->run, .lines = arguments.lines});
    if (!changed) {
        output.error(changed.error().message);
        return changed.error().code;
    }
    const ChangeResult& change = changed->change;
    if (arguments.json) {
        output.data(change_document(found->run, change));
    } else {
        output.data(fmt::format("{} took effect at t={:.3f}s, {:.2f} ms late\n",
                                joined(arguments.lines, "; "),
                                std::chrono::duration<double>{change.at.time_since_epoch()}.count(),
                                std::chrono::duration<double, std::milli>{change.late}.count()));
    }
    if (change.missing.empty()) return ExitCode::ok;
    output.error(fmt::format(
        "not on {}: a machine that has missed a change is cut from the network until it has it",
        joined(change.missing, ", ")));
    return ExitCode::failed;
}

}  // namespace pleat
