// How far a run is on this node; the order and the why are in node/node_run.hh.
#pragma once

#include <cstdint>

namespace pleat {

enum class RunStage : std::uint8_t { preparing, ready, counting, running, ending, ended };

}  // namespace pleat
