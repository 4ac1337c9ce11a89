#include "node/dataplane/netem/flow_book.hh"

#include <iterator>

namespace pleat {

void FlowBook::may_lose(FlowKey flow) {
    if (const auto found = accounts_.find(flow); found != accounts_.end()) {
        found->second.may_lose();
    }
}

std::shared_ptr<const FlowCounters> FlowBook::start(FlowKey flow, Instant at, bool has_chances) {
    FlowAccount& account = accounts_[flow];
    if (has_chances) account.may_lose();
    account.note_arrival(at);
    active_.insert(flow);
    return account.counters();
}

void FlowBook::recall(FlowKey flow, Instant last_arrival, bool may_lose) {
    start(flow, last_arrival, may_lose);
}

void FlowBook::host_gone(HostId source) {
    std::erase_if(active_, [source](FlowKey flow) { return flow.source == source; });
}

void FlowBook::read(const std::function<LocalHost*(HostId)>& find, Instant now) {
    // By host: one exchange with the kernel for each.
    for (auto it = active_.begin(); it != active_.end();) {
        LocalHost* const local = find(it->source);
        const auto end = active_.upper_bound(FlowKey{it->source, HostId{0xffffffff}});
        if (local == nullptr) {
            it = active_.erase(it, end);
            continue;
        }
        // What entered is read before what was sent.
        std::vector<EntryCount> entries;
        std::vector<std::uint32_t> destinations;
        for (auto flow = it; flow != end; ++flow) {
            destinations.push_back(flow->destination.value);
            entries.push_back(local->entered(flow->destination.value));
        }
        const std::vector<DestinationUsage> usage = local->usage(destinations);
        if (local->tcal->lost()) {
            for (; it != end; it = active_.erase(it)) accounts_[*it].stop(now);
            continue;
        }
        for (std::size_t i = 0; it != end; ++i) {
            FlowAccount& account = accounts_[*it];
            account.update(entries[i], usage[i], local->rows[destinations[i]].overhead(), now);
            it = account.quiet(now) ? active_.erase(it) : std::next(it);
        }
    }
}

PlaneTotals FlowBook::totals() const {
    PlaneTotals totals;
    for (const auto& [key, account] : accounts_) {
        const FlowCounters& counters = *account.counters();
        totals.packets_in += counters.packets + counters.queue_drops + counters.unreachable_drops;
        totals.packets_out += account.sent_packets();
        totals.bytes_out += account.sent_bytes();
        totals.queue_drops += counters.queue_drops;
        totals.loss_drops += counters.loss_drops;
        totals.unreachable_drops += counters.unreachable_drops;
    }
    return totals;
}

}  // namespace pleat
