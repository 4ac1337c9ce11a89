#include "node/dataplane/edt/flow_watch.hh"

#include "node/dataplane/edt/counters.hh"

namespace pleat {

std::shared_ptr<const FlowCounters> FlowWatch::start(std::uint32_t path, Instant now) {
    Flow& flow = flows_[path];
    if (!flow.counters) flow.counters = std::make_shared<FlowCounters>();
    if (!flow.reading) {
        flow.reading = true;
        reading_.push_back(path);
    }
    bring_up_to_date(*flow.counters, counters_[path], now);
    return flow.counters;
}

void FlowWatch::read(Instant now) {
    std::erase_if(reading_, [&](std::uint32_t path) {
        Flow& flow = flows_.at(path);
        // Before the counters: what comes between the two looks is an event of its own, or
        // is read next time.
        const bool over = long_idle(counters_[path], now);
        bring_up_to_date(*flow.counters, counters_[path], now);
        flow.reading = !over;
        return over;
    });
}

std::vector<std::uint32_t> FlowWatch::scan(Instant now) const {
    std::vector<std::uint32_t> missed;
    for (std::uint32_t path = 0; path < counters_.size(); ++path) {
        if (counters_[path].last_arrival_ns == 0 || long_idle(counters_[path], now)) continue;
        const auto found = flows_.find(path);
        if (found == flows_.end() || !found->second.reading) missed.push_back(path);
    }
    return missed;
}

}  // namespace pleat
