// FNV-1a, a word at a time: for digests that all machines must agree on. None is an
// adversary.
#pragma once

#include <cstdint>

namespace pleat {

inline constexpr std::uint64_t kEmptyHash = 0xcbf29ce484222325;

inline std::uint64_t mixed(std::uint64_t hash, std::uint64_t word) {
    for (int byte = 0; byte < 8; ++byte) {
        hash ^= (word >> (8 * byte)) & 0xff;
        hash *= 0x100000001b3;
    }
    return hash;
}

}  // namespace pleat
