// pleat version: the version of this build.
#include "cli/commands.hh"
#include "cli/json.hh"

namespace pleat {

ExitCode execute(const VersionArguments& arguments, Output& output) {
    output.data(arguments.json ? version_document(PLEAT_VERSION) : "pleat " PLEAT_VERSION "\n");
    return ExitCode::ok;
}

}  // namespace pleat
