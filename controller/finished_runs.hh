// What the store and the directories know of runs that are over.
#pragma once

#include <optional>
#include <string>

#include "controller/store.hh"
#include "wire/messages.hh"

namespace pleat {

// As it was told at its end; of a run whose end was not seen, that.
RunFinished results_of(Store& store, const std::string& run);

// RunDetails, or Refused. `info`: as the list of runs has it.
ControlMessage details_of(Store& store, RunInfo info, RunFinished results);

// What a host has written: OutputPiece, or Refused.
ControlMessage output_of(Store& store, const ReadOutput& question);

// Nothing when the run has none.
std::optional<HostId> host_named(const RunPlan& plan, const std::string& name);

}  // namespace pleat
