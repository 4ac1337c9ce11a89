// pleat expand: a topology with variables, groups, replicas and events written out.
#include "cli/commands.hh"
#include "cli/load.hh"

namespace pleat {

ExitCode execute(const ExpandArguments& arguments, Output& output) {
    const std::optional<Scenario> scenario = load_topology(arguments.topology, output);
    if (!scenario) return ExitCode::invalid_topology;
    output.data(write_yaml(*scenario));
    return ExitCode::ok;
}

}  // namespace pleat
