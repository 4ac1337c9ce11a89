// What a link does to a packet, and a change of it that names only some fields.
#pragma once

#include <cstdint>
#include <optional>

#include "model/units.hh"

namespace pleat {

enum class JitterDistribution : std::uint8_t { normal, uniform, pareto };

// Burst loss (Gilbert-Elliott), per packet: good -> bad with p, bad -> good with r;
// a packet passes with probability k in the good state, h in the bad state.
struct GilbertElliott {
    Probability p;
    Probability r;
    Probability h;
    Probability k;

    friend auto operator<=>(const GilbertElliott&, const GilbertElliott&) = default;
};

// The longest queue in front of a link. `amount` is packets, bytes or nanoseconds,
// by `kind`; not used by bdp (bandwidth x round trip, at least 20 ms and 10 MTU).
struct QueueLimit {
    enum class Kind : std::uint8_t { bdp, packets, bytes, time };

    Kind kind = Kind::bdp;
    std::int64_t amount = 0;

    friend auto operator<=>(const QueueLimit&, const QueueLimit&) = default;
};

// What a rate counts beside the IP packet, in bytes a packet.
struct Overhead {
    static constexpr std::int32_t kNone = 0;
    static constexpr std::int32_t kEthernet = 14;  // the layer-2 header
    static constexpr std::int32_t kWire = 38;      // + preamble 8, FCS 4, gap 12

    std::int32_t bytes_per_packet = kEthernet;

    friend auto operator<=>(Overhead, Overhead) = default;
};

struct LinkProperties {
    Duration latency{};  // one way
    Duration jitter{};   // standard deviation (normal, pareto) or half width (uniform)
    JitterDistribution distribution = JitterDistribution::normal;
    Probability loss;
    std::optional<GilbertElliott> burst_loss;
    Probability reorder;
    Probability duplicate;
    Probability corrupt;
    Bandwidth bandwidth = Bandwidth::unlimited();
    QueueLimit queue;
    Overhead overhead;

    friend auto operator<=>(const LinkProperties&, const LinkProperties&) = default;
};

// The fields that a `set` names; what it does not name stays. `loss=` of either kind
// replaces both: a patch with `loss` clears burst_loss and the other way round.
struct LinkPatch {
    std::optional<Duration> latency;
    std::optional<Duration> jitter;
    std::optional<JitterDistribution> distribution;
    std::optional<Probability> loss;
    std::optional<GilbertElliott> burst_loss;
    std::optional<Probability> reorder;
    std::optional<Probability> duplicate;
    std::optional<Probability> corrupt;
    std::optional<Bandwidth> bandwidth;
    std::optional<QueueLimit> queue;
    std::optional<Overhead> overhead;

    friend auto operator<=>(const LinkPatch&, const LinkPatch&) = default;
};

// `properties` with the fields that `patch` names replaced.
LinkProperties merged(LinkProperties properties, const LinkPatch& patch);

// `patch` without the fields that `named` names; loss of either kind goes with the other.
LinkPatch without(LinkPatch patch, const LinkPatch& named);

}  // namespace pleat
