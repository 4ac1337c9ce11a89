// ReactiveModel: Kollaps 2.0's way to share (section 4.3 of the thesis), as we read it, for
// comparison of what it sends. One emulation core a host, each with a loop every 50 ms:
//
// (1) The throughput of the core's paths in the last 50 ms is measured. One that has moved by
//     more than 5 % of what was last told is told: one message of 256 bytes, whatever is in it.
// (2) A core that has told something, or was told something, computes the share of its paths
//     anew: by 1/RTT among the flows of a link, with one redistribution of what others leave
//     unused; a rising share is smoothed (3/4 old, 1/4 new).
// (3) What others told stays until they tell anew, or say that a flow has ended.
//
// In its favour: the paths of ACKs are neither told nor limited, there is no threshold below
// which a flow is not seen (1 % of the path in the original: with 100 equal flows nobody is), the
// loops run at different moments, and a message is with the others after 1 ms.
#pragma once

#include <map>
#include <queue>
#include <random>
#include <vector>

#include "tests/sharing/simulated_traffic.hh"

namespace pleat::bench {

class ReactiveModel {
  public:
    static constexpr std::uint64_t kMessageBytes = 256;

    // Measures and caps `flows`; each is its source's only one.
    ReactiveModel(testing::SimulatedTraffic& traffic, const std::vector<FlowKey>& flows,
                  std::uint64_t seed);

    // Every 10 ms.
    void tick();

    std::uint64_t messages() const { return messages_; }

  private:
    struct Core {
        FlowKey flow;
        Path path;
        Instant next_loop;
        std::uint64_t bytes = 0;
        double throughput = 0.0;  // in the last loop, bits per second
        double told = 0.0;
        double share = 0.0;
        bool news = false;  // from others
        bool wants = false;
    };

    struct Message {
        Instant at;
        std::size_t core;
        double throughput;
    };

    void loop(std::size_t index);
    void deliver();
    void compute(Core& core);

    testing::SimulatedTraffic& traffic_;
    std::vector<Core> cores_;
    std::map<LinkId, std::vector<std::size_t>> cores_of_link_;
    std::map<LinkId, double> capacity_;
    std::vector<double> known_;  // throughput as told to all
    std::queue<Message> on_the_way_;
    std::uint64_t messages_ = 0;
};

}  // namespace pleat::bench
