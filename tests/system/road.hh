// Road: what a packet meets between any two machines of a test, in each direction. Which packet
// meets what is drawn from a seed, and decided here without a clock or a socket.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <vector>

#include "base/duration.hh"
#include "model/units.hh"

namespace pleat::system_test {

struct Road {
    Duration one_way{};               // what each packet takes at least
    std::optional<Bandwidth> rate{};  // of IP packets, with 100 ms of room for those that wait
    std::optional<int> mtu{};         // of the machines' interfaces
    Duration jitter{};      // at most so much more, each by itself: so they overtake each other
    double loss = 0;        // 0 to 1
    double duplicated = 0;  // 0 to 1, of those that are not lost; both take their own time
};

// Is it more than a bridge?
bool is_far(const Road& road);

class RoadDraws {
  public:
    RoadDraws(const Road& road, std::uint64_t seed) : road_{road}, random_{seed} {}

    // Of the next packet: what each of its copies takes. None: it is lost.
    std::vector<Duration> next();

  private:
    Road road_;
    std::mt19937_64 random_;
};

}  // namespace pleat::system_test
