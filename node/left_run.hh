// LeftRun: what a node daemon that was killed has left of a run on this machine of a cluster,
// for the one that is started anew with the same state directory.
//
// (1) A run's runtime directory, with its journal and the keepers' sockets, is adopted when its
//     owner is gone. What can't be taken over (it had not begun; the journal is damaged) is ended
//     and removed.
// (2) Runs that have ended are not looked at: what came of them is in the state directory.
#pragma once

#include <string>
#include <vector>

#include "base/run_ledger.hh"
#include "node/run_journal.hh"

namespace pleat {

// Of a run on this machine: where a node daemon keeps what it needs to take it over.
std::string journal_in(const std::string& runtime_directory);

// The ledger's name of a run on machine `node`: several nodes may be on one machine.
std::string ledger_name(const std::string& run, const std::string& node);

struct LeftRun {
    std::string run;
    RunLedger ledger;
    JournaledRun journal;
};

std::vector<LeftRun> adopt_left_runs(const std::string& state_directory, const std::string& node);

// Ends the run's processes and removes its directory; what can't be is logged.
void remove_left_run(RunLedger ledger);

}  // namespace pleat
