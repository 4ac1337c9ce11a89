// The hash of a path table: a sum over its entries, each hashed with its place, so that a
// change of an entry changes the sum by what it takes to compute two entries. Defined by
// numbers alone: the same on every machine, compiler and run.
//
// It finds mistakes, not forgeries.
#pragma once

#include <cstdint>
#include <span>

#include "model/path_table.hh"

namespace pleat {

// Of how much there is of each.
std::uint64_t sizes_hash(std::size_t links, std::size_t trees, std::size_t bridges);

std::uint64_t link_hash(LinkId link, const LinkState& state);

std::uint64_t partitions_hash(std::span<const Sides> partitions);

// Finalizer of 64 bits: every bit of the input moves every bit of the output.
// (The shape of MurmurHash3's fmix64 with Stafford's "Mix13" constants.)
constexpr std::uint64_t scramble(std::uint64_t x) {
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9;
    x ^= x >> 27;
    x *= 0x94d049bb133111eb;
    x ^= x >> 31;
    return x;
}

// In the header because tables have millions of them.
constexpr std::uint64_t parent_hash(TreeId tree, BridgeId bridge, LinkId parent) {
    const std::uint64_t place = (std::uint64_t{tree.value} << 32) | bridge.value;
    return scramble(scramble(place ^ 0x70617265'6e747321) + parent.value);
}

// The sum over a whole tree.
std::uint64_t tree_hash(TreeId tree, const Parents& parents);

}  // namespace pleat
