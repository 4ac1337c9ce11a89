// Gathers results from the log.
#include "controller/result_collector.hh"

#include <algorithm>
#include <utility>

namespace pleat {

void ResultCollector::add(const LogRecord& record) {
    if (const auto* sample = std::get_if<SampleRecord>(&record)) {
        ++samples_;
        if (samples_ > kMostSamples) {
            flows_.clear();
            return;
        }
        FlowSeries& series = flows_[sample->flow];
        series.flow = sample->flow;
        series.at.push_back(sample->at);
        series.allowed_bps.push_back(sample->allowed_bps);
        series.measured_bps.push_back(sample->measured_bps);
        return;
    }
    const auto* event = std::get_if<EventRecord>(&record);
    if (event == nullptr || !event->epoch) return;
    const Duration late = event->actual - event->planned;
    const auto [known, fresh] = epochs_.try_emplace(
        *event->epoch,
        EpochResult{.epoch = *event->epoch, .planned = event->planned, .late = late, .events = {}});
    // The machine that was latest counts.
    if (!fresh) known->second.late = std::max(known->second.late, late);
}

std::uint64_t ResultCollector::most_samples_of_a_flow() const {
    std::uint64_t most = 0;
    for (const auto& [flow, series] : flows_) {
        most = std::max<std::uint64_t>(most, series.at.size());
    }
    return most;
}

void ResultCollector::give(RunFinished& results,
                           const std::vector<std::vector<std::string>>& epoch_events) {
    for (auto& [epoch, result] : epochs_) {
        if (epoch.value < epoch_events.size()) result.events = epoch_events[epoch.value];
        results.epochs.push_back(std::move(result));
    }
    for (auto& [flow, series] : flows_) results.flows.push_back(std::move(series));
    epochs_.clear();
    flows_.clear();
}

}  // namespace pleat
