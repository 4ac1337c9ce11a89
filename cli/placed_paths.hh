// PlacedPaths: what of paths' latencies the real network takes, where a controller would place the
// hosts now, and what is left for the data plane to add.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "model/path.hh"
#include "wire/messages.hh"

namespace pleat {

// One way, all of it.
struct PlacedPath {
    std::string source;  // machines
    std::string destination;
    std::optional<Duration> real;  // half the measured round trip; nothing: not measured
    Duration added{};              // by the data plane, where `real` is known or on one machine
    bool is_too_quick = false;     // the real latency is larger than the emulated one

    bool is_on_one_machine() const { return source == destination; }

    friend bool operator==(const PlacedPath&, const PlacedPath&) = default;
};

class PlacedPaths {
  public:
    explicit PlacedPaths(const PlacementChecked& placement);

    PlacedPath of(FlowKey flow, Duration latency) const;

  private:
    std::vector<std::string> machines_;                                    // by HostId
    std::map<std::pair<std::string, std::string>, Duration> round_trips_;  // lower name first
};

}  // namespace pleat
