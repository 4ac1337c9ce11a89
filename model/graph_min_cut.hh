// The least cut between two sets of hosts: how much the emulated network can carry from the
// ones to the others, all together.
#pragma once

#include <optional>
#include <span>

#include "model/path_table.hh"

namespace pleat {

// Over links that are up; hosts don't forward. Nothing when no path leads there, unlimited when
// nothing limited is in the way. The two sets have no host in common.
std::optional<Bandwidth> least_cut(const Topology& topology, const PathTable& table,
                                   std::span<const HostId> from, std::span<const HostId> to);

}  // namespace pleat
