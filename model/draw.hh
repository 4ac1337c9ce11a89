// Draws: the chances of packets on a path, as a pure function. What happens to a packet
// depends on (seed, path, IP protocol, its count on that path) and on nothing else, so
// that other traffic never shifts it and a run can be repeated.
#pragma once

#include <cstdint>

#include "model/ids.hh"
#include "model/link_properties.hh"

namespace pleat {

// What is drawn; each purpose is independent of the others for the same packet.
enum class DrawPurpose : std::uint8_t {
    loss,
    burst_state,
    burst_loss,
    duplicate,
    corrupt,
    corrupt_place,
    reorder,
    jitter,
    jitter_angle,
};

// What of the key comes from the seed alone, for those who draw elsewhere (bpf/edt.bpf.c).
std::uint64_t draw_seed_key(std::uint64_t seed);

// The draws of the packets of one IP protocol on one path.
class DrawStream {
  public:
    DrawStream(std::uint64_t seed, FlowKey path, std::uint8_t protocol);

    // 64 even bits for the packet of this count.
    std::uint64_t bits(DrawPurpose purpose, std::uint64_t count) const;

    // Even in [0, 1).
    double uniform(DrawPurpose purpose, std::uint64_t count) const;

    bool happens(DrawPurpose purpose, std::uint64_t count, double probability) const {
        return probability > 0.0 && uniform(purpose, count) < probability;
    }

    // By how much this packet is later (or earlier) than the latency says, in units of the
    // link's jitter. normal and pareto: mean 0, standard deviation 1; uniform: -1 to 1.
    double jitter(JitterDistribution distribution, std::uint64_t count) const;

  private:
    std::uint64_t key_;
};

// The pareto distribution has shape 3, as netem's table. It is cut at so many times its
// smallest value (one draw in 5,800): 20 standard deviations.
constexpr double kLongestPareto = 18.0;

}  // namespace pleat
