// pleat import: another format as a topology file, on standard output.
#include "cli/commands.hh"
#include "cli/load.hh"

namespace pleat {

ExitCode execute(const ImportArguments& arguments, Output& output) {
    const Result<std::string> text = load_file(arguments.file);
    if (!text) {
        output.error(text.error().message);
        return ExitCode::invalid_topology;
    }
    // Kollaps is the only format so far.
    const std::optional<Scenario> scenario = shown(read_kollaps(*text, arguments.file), output);
    if (!scenario) return ExitCode::invalid_topology;
    output.data(write_yaml(*scenario));
    return ExitCode::ok;
}

}  // namespace pleat
