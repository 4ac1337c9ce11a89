// The map of a plane's programs with the ports that they leave alone on a machine's own interface.
#pragma once

#include <cstdint>
#include <vector>

#include "base/file_descriptor.hh"

namespace pleat {

// Throws Failure.
void spare_ports(const FileDescriptor& map, const std::vector<std::uint16_t>& ports);

}  // namespace pleat
