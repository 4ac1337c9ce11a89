// The `tun` plane: packets of hosts that have a TUN device each are held in a thread of
// this process. Needs /dev/net/tun and nothing else of the kernel.
#pragma once

#include <functional>
#include <memory>

#include <boost/asio/io_context.hpp>

#include "model/addressing.hh"
#include "node/dataplane/data_plane.hh"

namespace pleat {

// Reports are called from `loop`. The topology must outlive the plane, the plane the
// loop's last run. Throws std::system_error when its thread or descriptors cannot be made.
std::unique_ptr<DataPlane> open_tun_plane(const Topology& topology, AddressPlan addresses,
                                          std::uint64_t seed,
                                          std::function<void(PlaneReport)> report,
                                          boost::asio::io_context& loop);

}  // namespace pleat
