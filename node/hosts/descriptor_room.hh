// How many descriptors this process may have.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pleat {

// Raises the soft limit for so many hosts with so many descriptors each, and some for
// everything else, as far as it may; returns what it was.
std::uint64_t make_descriptor_room(std::size_t hosts, std::size_t each);

}  // namespace pleat
