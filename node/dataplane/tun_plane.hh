// The `tun` plane: packets of hosts that have a TUN device each are held in a thread of
// this process. Needs /dev/net/tun and nothing else of the kernel.
#pragma once

#include <memory>

#include "node/dataplane/data_plane.hh"

namespace pleat {

// Throws std::system_error when its thread or descriptors cannot be made.
std::unique_ptr<DataPlane> open_tun_plane(PlaneContext context);

}  // namespace pleat
