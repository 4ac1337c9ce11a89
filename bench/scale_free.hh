// The topologies of the thesis' scalability chapter, for benchmarks.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "model/scenario.hh"

namespace pleat::bench {

// The <bridge>, <service> and <link> elements of a Kollaps file that has one a line; no
// more of the format than that. Nothing when the file can't be read.
std::optional<Scenario> read_simple_kollaps(const std::filesystem::path& file);

// A tree by preferential attachment with leaves for hosts, as the thesis' are, or with
// `links` > 1 a graph of bridges where each joins by that many links and hosts hang on
// bridges by one.
Scenario scale_free(int hosts, int bridges, int links, std::uint64_t seed);

// $PLEAT_DATA/thesis/scale-free-4000.xml (by default ../shared/data), or when it is not
// there a generated one of the same counts.
Scenario thesis_4000();

// `count` random events, one each second: latencies and bandwidths of links, links down
// and up, bridges that leave and join. What has gone soon comes back, so that the network
// stays whole most of the time.
std::vector<TimedEvent> random_events(const Topology& topology, int count, std::uint64_t seed);

}  // namespace pleat::bench
