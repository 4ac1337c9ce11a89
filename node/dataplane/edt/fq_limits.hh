// How many packets the fq of a host's interface must be able to hold.
//
// The program alone decides what is dropped; fq must never. So its limit is what all paths
// of the host can have under way and waiting, in the smallest packets. It costs nothing
// until packets are really there.
#pragma once

#include <cstdint>
#include <span>

#include "bpf/shared/edt.h"

namespace pleat {

// For the paths of one host in one epoch: a power of two, so that small changes of a
// topology change nothing here.
std::uint32_t fq_packet_limit(std::span<const edt_path> paths);

}  // namespace pleat
