// The host's emulated interface: a TUN device, its addresses and routes, in one netlink
// message to the kernel.
#pragma once

#include "base/file_descriptor.hh"
#include "node/keeper/protocol.hh"

namespace pleat::keeper {

constexpr const char* kInterface = "pleat0";

// Makes the interface in the present network namespace and brings it and `lo` up. Throws.
FileDescriptor make_interface(const Setup& setup);

}  // namespace pleat::keeper
