// RunPlace: a new run's name, its directory (results, kept) and its runtime directory
// (sockets and ledger, gone when the run is over).
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/run_ledger.hh"

namespace pleat {

struct RunPlace {
    std::string run;                 // "r-7f3a"
    std::string directory;           // as the user would write it: "pleat-runs/r-7f3a"
    std::string absolute_directory;  // with logs/ in it
    RunLedger ledger;

    // Where the run's controller listens.
    std::string endpoint() const { return "ipc://" + ledger.directory() + "/control"; }
};

// Makes both, under a name that nobody has: several at once never get the same. `parent`
// is where runs live; it is made if need be. Throws Failure.
RunPlace make_run_place(const std::string& parent, const std::function<std::uint32_t()>& random);

}  // namespace pleat
