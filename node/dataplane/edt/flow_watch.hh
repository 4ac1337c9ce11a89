// FlowWatch: the flows that have started, and which of them are worth reading.
//
// (1) A path is a flow from its first packet on. It is read until it is long idle, and again
//     from the moment at which the program says that it starts anew.
// (2) Where such a word was lost (the ring buffer was full), scan() finds what was missed.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "bpf/shared/edt.h"
#include "node/dataplane/data_plane.hh"

namespace pleat {

class FlowWatch {
  public:
    // `counters`: by path, written by the program.
    explicit FlowWatch(std::span<const edt_counters> counters) : counters_{counters} {}

    // The path has its first packet after silence. Its counters are those of all its time.
    std::shared_ptr<const FlowCounters> start(std::uint32_t path, Instant now);

    // Brings the counters of all that are read up to date.
    void read(Instant now);

    // Paths that are not idle and not read.
    std::vector<std::uint32_t> scan(Instant now) const;

    std::size_t reading() const { return reading_.size(); }

  private:
    struct Flow {
        std::shared_ptr<FlowCounters> counters;
        bool reading = false;
    };

    std::span<const edt_counters> counters_;
    std::unordered_map<std::uint32_t, Flow> flows_;  // by path
    std::vector<std::uint32_t> reading_;             // their paths
};

}  // namespace pleat
