// The verbs: one function each, in a file of its own (verb_NAME.cc). What they print
// goes through `output`; what the process exits with is returned.
#pragma once

#include "cli/arguments.hh"
#include "cli/exit_code.hh"
#include "cli/output.hh"

namespace pleat {

ExitCode execute(const RunArguments& arguments, Output& output);
ExitCode execute(const ValidateArguments& arguments, Output& output);
ExitCode execute(const PathsArguments& arguments, Output& output);
ExitCode execute(const ExpandArguments& arguments, Output& output);
ExitCode execute(const ImportArguments& arguments, Output& output);
ExitCode execute(const ShellArguments& arguments, Output& output);
ExitCode execute(const DoctorArguments& arguments, Output& output);
ExitCode execute(const CleanArguments& arguments, Output& output);
ExitCode execute(const CompletionArguments& arguments, Output& output);
ExitCode execute(const VersionArguments& arguments, Output& output);
ExitCode execute(const SubmitArguments& arguments, Output& output);
ExitCode execute(const RunVerbArguments& arguments, Output& output);
ExitCode execute(const HostVerbArguments& arguments, Output& output);
ExitCode execute(const ChangeArguments& arguments, Output& output);
ExitCode execute(const MachinesArguments& arguments, Output& output);

}  // namespace pleat
