// How many segments with data have come to a TCP connection, in whatever order. Apart, since
// linux/tcp.h, which alone knows this count, excludes the netinet/tcp.h of others.
#pragma once

#include <cstdint>

namespace pleat::testing {

// Throws.
std::uint32_t data_segments_in(int socket);

}  // namespace pleat::testing
