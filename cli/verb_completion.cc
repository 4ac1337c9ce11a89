// pleat completion: a script for the user's shell.
#include "cli/commands.hh"
#include "cli/completion.hh"

namespace pleat {

ExitCode execute(const CompletionArguments& /*only bash*/, Output& output) {
    output.data(bash_completion(completion_words()));
    return ExitCode::ok;
}

}  // namespace pleat
