// ResultCollector: what the command line is told of a run, gathered from its log.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "wire/log_records.hh"
#include "wire/messages.hh"

namespace pleat {

class ResultCollector {
  public:
    void add(const LogRecord& record);

    // Series of at most kMostSamples samples in all: beyond, none of them goes into a
    // message, and run.db has them.
    static constexpr std::uint64_t kMostSamples = 2'000'000;

    std::uint64_t samples() const { return samples_; }

    // Of the flow that has most.
    std::uint64_t most_samples_of_a_flow() const;

    // Moves what was gathered to `results`. `epoch_events` by epoch.
    void give(RunFinished& results, const std::vector<std::vector<std::string>>& epoch_events);

  private:
    std::map<FlowKey, FlowSeries> flows_;
    std::map<EpochId, EpochResult> epochs_;
    std::uint64_t samples_ = 0;
};

}  // namespace pleat
