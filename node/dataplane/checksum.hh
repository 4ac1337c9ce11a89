// The Internet checksum (RFC 1071).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace pleat {

// Sums 16-bit words in network byte order; an odd last byte counts as the upper half.
// Add up several parts, all but the last of even length, then fold().
inline std::uint64_t word_sum(std::span<const std::uint8_t> bytes) {
    std::uint64_t sum = 0;
    std::size_t i = 0;
    for (; i + 1 < bytes.size(); i += 2) {
        sum += (std::uint64_t{bytes[i]} << 8U) | bytes[i + 1];
    }
    if (i < bytes.size()) sum += std::uint64_t{bytes[i]} << 8U;
    return sum;
}

// The one's complement sum in 16 bits; its complement is the checksum.
inline std::uint16_t fold(std::uint64_t sum) {
    while (sum > 0xffff) sum = (sum & 0xffffU) + (sum >> 16U);
    return static_cast<std::uint16_t>(sum);
}

inline std::uint16_t load16(const std::uint8_t* at) {
    return static_cast<std::uint16_t>((at[0] << 8U) | at[1]);
}

inline void store16(std::uint8_t* at, std::uint32_t value) {
    at[0] = static_cast<std::uint8_t>(value >> 8U);
    at[1] = static_cast<std::uint8_t>(value);
}

inline std::uint32_t load32(const std::uint8_t* at) {
    return (std::uint32_t{load16(at)} << 16U) | load16(at + 2);
}

inline void store32(std::uint8_t* at, std::uint32_t value) {
    store16(at, value >> 16U);
    store16(at + 2, value);
}

}  // namespace pleat
