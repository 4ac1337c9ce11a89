// Machines that are reached by the user's own `ssh`: a node is installed and started there, its
// log is fetched, and all of it is taken away again. Nothing else is touched there: no setting of
// ssh, of the network or of logins.
#pragma once

#include "cli/arguments.hh"
#include "cli/controller_link.hh"
#include "cli/exit_code.hh"
#include "cli/output.hh"

namespace pleat {

// `add --ssh`, `rm --ssh` and `logs`.
ExitCode execute_by_ssh(const MachinesArguments& arguments, const ControllerPlace& place,
                        Output& output);

}  // namespace pleat
