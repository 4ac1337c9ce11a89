// Shapes: what HTB, netem and the queue behind it are told about one path, as values and
// pure functions of what a table says.
//
// A packet of a path goes through
//     netem (loss, delay, jitter, ...) -> queue (bytes, tail drop) -> HTB (the path's clock)
// The delay comes before the clock: deliveries are at the same instants as with the clock
// first, for both keep order.
#pragma once

#include <cstdint>
#include <optional>

#include "model/path_element.hh"

namespace pleat {

// Gilbert-Elliott as the kernel wants it; each is a chance of 2^32.
struct NetemBurstLoss {
    std::uint32_t p = 0;   // good -> bad
    std::uint32_t r = 0;   // bad -> good
    std::uint32_t h = 0;   // passes when bad
    std::uint32_t k1 = 0;  // is lost when good

    friend bool operator==(const NetemBurstLoss&, const NetemBurstLoss&) = default;
};

// One netem qdisc. Chances are of 2^32.
struct NetemShape {
    Duration delay{};
    Duration jitter{};
    JitterDistribution distribution = JitterDistribution::normal;
    std::uint32_t loss = 0;
    std::optional<NetemBurstLoss> burst_loss;
    std::uint32_t duplicate = 0;
    std::uint32_t corrupt = 0;
    std::uint32_t reorder = 0;
    std::uint32_t limit_packets = 1000;

    friend bool operator==(const NetemShape&, const NetemShape&) = default;
};

// One HTB class.
struct ClassShape {
    std::uint64_t ceil_bytes_per_sec = 1;
    std::uint32_t burst_bytes = 0;
    std::uint32_t quantum_bytes = 0;
    std::uint16_t overhead_bytes = 0;  // a packet, beside its layer-2 length

    friend bool operator==(const ClassShape&, const ClassShape&) = default;
};

// All of one destination.
struct DestinationShape {
    ClassShape clock;
    NetemShape netem;
    std::uint32_t queue_bytes = 0;

    friend bool operator==(const DestinationShape&, const DestinationShape&) = default;
};

constexpr std::uint32_t kAlways = 0xffffffff;

// What HTB runs at for this rate: "unlimited" is 1 Tbit/s to it.
std::uint64_t htb_rate(Bandwidth rate);

// What a class may send at once after a pause: 2 ms of its rate, for a timer that is late
// by less than that loses nothing. Not a packet at least: a class may always send one when
// it owes nothing, and more would be a burst that the path does not have.
std::uint32_t htb_burst(Bandwidth rate);

// What a class sends before its neighbours' turn: as long as a packet of the interface can
// be, or 1 ms of the rate that they share.
std::uint32_t htb_quantum(Bandwidth shared);

// Of 2^32, as netem draws: p = 1 is certain, p > 0 never becomes 0.
std::uint32_t netem_chance(Probability p);

// What netem may hold, in packets: what is delayed and what waits, were all packets 100
// bytes long; at least 1000. The queue behind it has the exact limit in bytes.
std::uint32_t netem_limit(Bandwidth rate, Duration delay, Duration jitter, DataSize queue);

// The limit of the queue in bytes of the kernel's counting: 64 KiB packets must fit in
// when no one cuts them; the largest number stands for "without limit".
std::uint32_t queue_limit(DataSize queue);

// The clock of an access link, or of a path of bandwidth (or cap) `rate` behind one.
ClassShape class_shape(Bandwidth rate, Bandwidth shared, Overhead overhead);

// The same path, but for packets that are given on so much before they are due.
PathShape earlier(PathShape path, Duration early);

DestinationShape destination_shape(const PathShape& path, Bandwidth cap, Bandwidth uplink);

// Of how many segments a GSO packet may stand on an interface with this path: 1 where
// packets have fates of their own, for netem treats a GSO packet as one; else a quarter of
// the queue. Nothing: any.
std::optional<std::uint32_t> segments_at_once(const PathShape& path);

}  // namespace pleat
