// Random topologies and timelines with everything that makes paths hard: ties, links
// without latency, several links between two points, hosts with several links, links from
// host to host, links that are down, simultaneous events, overlays, partitions.
#pragma once

#include <random>
#include <vector>

#include "model/scenario.hh"
#include "model/topology.hh"

namespace pleat::testing {

using Random = std::mt19937_64;

// What a TopologyBuilder is told.
struct Parts {
    struct NamedLink {
        std::string from;
        std::string to;
        LinkProperties properties;
        std::string name;
        bool up = true;
    };

    std::vector<Host> hosts;
    std::vector<Bridge> bridges;
    std::vector<NamedLink> links;
};

struct Shape {
    int bridges = 8;
    int hosts = 6;
    int bridge_links = 16;  // besides a tree that connects them
    int latency_steps = 4;  // latencies are 0 .. this, in ms
    int down_percent = 5;
};

Parts random_parts(Random& random, const Shape& shape);

Topology build(const Parts& parts);

void shuffle(Random& random, Parts& parts);

// `events` events on `moments` different instants from 0 s on.
std::vector<TimedEvent> random_timeline(Random& random, const Topology& topology, int events,
                                        int moments);

// In another order, and with other numbers for the overlays.
void shuffle(Random& random, std::vector<TimedEvent>& timeline);

// From 0 to `most`, both included.
int below(Random& random, int most);

}  // namespace pleat::testing
