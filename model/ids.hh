// Small numbers that name things, each of its own type: a LinkId is not a HostId.
// Ids are given once, from names in sorted order, and mean the same in every epoch.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace pleat {

template <typename Tag>
struct Id {
    std::uint32_t value = 0;

    friend constexpr auto operator<=>(Id, Id) = default;
};

using HostId = Id<struct HostTag>;      // 0 .. hosts-1, in name order
using BridgeId = Id<struct BridgeTag>;  // 0 .. bridges-1, in name order
using LinkId = Id<struct LinkTag>;      // sorted by (from, to, name, properties)
using EpochId = Id<struct EpochTag>;    // epoch 0 begins at T0

// A point of the graph: hosts are 0 .. H-1, bridges H .. H+B-1.
using VertexId = Id<struct VertexTag>;

// Traffic from one host to another: the ordered pair, whatever its protocols.
struct FlowKey {
    HostId source;
    HostId destination;

    friend constexpr auto operator<=>(FlowKey, FlowKey) = default;
};

}  // namespace pleat

template <typename Tag>
struct std::hash<pleat::Id<Tag>> {
    std::size_t operator()(pleat::Id<Tag> id) const noexcept { return id.value; }
};

template <>
struct std::hash<pleat::FlowKey> {
    std::size_t operator()(pleat::FlowKey key) const noexcept {
        return std::hash<std::uint64_t>{}((std::uint64_t{key.source.value} << 32) |
                                          key.destination.value);
    }
};
