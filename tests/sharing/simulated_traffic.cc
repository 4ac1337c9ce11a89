#include "tests/sharing/simulated_traffic.hh"

#include <algorithm>

namespace pleat::testing {

using std::chrono::milliseconds;

SimulatedTraffic::SimulatedTraffic(Scenario scenario, Hooks hooks)
    : scenario_{std::move(scenario)},
      hooks_{std::move(hooks)},
      epochs_{compute_epochs(scenario_)},
      folder_{scenario_} {
    for (PathTable& table : tables(epochs_)) {
        tables_.push_back(std::make_shared<const PathTable>(std::move(table)));
    }
}

FlowKey SimulatedTraffic::flow(std::string_view source, std::string_view destination) const {
    return {scenario_.topology.find_host(source).value(),
            scenario_.topology.find_host(destination).value()};
}

void SimulatedTraffic::send(FlowKey key, std::unique_ptr<Sender> sender) {
    const std::int64_t bytes = sender ? sender->packet_bytes() : 1514;
    flows_.try_emplace(key, bytes).first->second.sender = std::move(sender);
}

void SimulatedTraffic::cut(HostId host) {
    cut_.push_back(host);
    for (auto& [key, flow] : flows_) {
        if (key.source != host && key.destination != host) continue;
        flow.path.clear(now_);
        flow.covers.clear();
        flow.arriving.clear();
        flow.losses.clear();
        if (key.source == host) flow.sender.reset();
    }
}

const Path* SimulatedTraffic::path(FlowKey key) const {
    for (const HostId host : cut_) {
        if (key.source == host || key.destination == host) return nullptr;
    }
    auto known = paths_.find(key);
    if (known == paths_.end()) {
        known =
            paths_.emplace(key, folder_.fold(*tables_[epoch_], key.source, key.destination)).first;
    }
    return known->second ? &*known->second : nullptr;
}

void SimulatedTraffic::switch_epochs() {
    while (epoch_ + 1 < tables_.size() &&
           epochs_.epochs[epoch_ + 1].start.time_since_epoch() <= now()) {
        ++epoch_;
        paths_.clear();
        if (hooks_.activated) hooks_.activated(tables_[epoch_]);
    }
}

SimulatedTraffic::Flow& SimulatedTraffic::acknowledgements_of(FlowKey key) {
    constexpr std::int64_t kAcknowledgement = 66;
    Flow& flow = flows_.try_emplace({key.destination, key.source}, kAcknowledgement).first->second;
    flow.acknowledges = true;
    return flow;
}

void SimulatedTraffic::offer(FlowKey key, Flow& flow, std::int64_t packets,
                             std::int64_t packets_each) {
    const Path* const way = path(key);
    if (way == nullptr) return;
    for (std::int64_t i = 0; i < packets; i += packets_each) {
        const bool starts =
            flow.last_packet == Instant{} || now_ - flow.last_packet >= milliseconds{100};
        flow.last_packet = now_;
        const std::int64_t covered = std::min(packets_each, packets - i);
        if (!flow.path.offer(now_, way->queue)) {
            const Duration waits = DataSize::bytes(flow.path.queued() * flow.path.packet_bytes()) /
                                   std::min(flow.cap, way->bandwidth);
            flow.losses.emplace_back(now_ + way->rtt + waits, covered);
        } else if (flow.acknowledges) {
            flow.covers.push_back(covered);
        }
        if (starts && hooks_.started) hooks_.started({key, now_, flow.path.counters()});
    }
}

// What departs in this step, and what arrives.
void SimulatedTraffic::deliver(FlowKey key, Flow& flow) {
    if (flow.path.queued() == 0 && flow.arriving.empty()) return;
    const Path* const way = path(key);
    if (way == nullptr) {
        flow.path.clear(now_);
        flow.covers.clear();
        return;
    }
    std::int64_t departed = flow.path.step(now_, kStep, std::min(flow.cap, way->bandwidth));
    if (flow.acknowledges) {
        std::int64_t covered = 0;
        for (; departed > 0 && !flow.covers.empty(); --departed) {
            covered += flow.covers.front();
            flow.covers.pop_front();
        }
        departed = covered;
    }
    if (departed > 0) flow.arriving.emplace_back(now_ + way->latency, departed);
    std::int64_t arrived = 0;
    while (!flow.arriving.empty() && flow.arriving.front().first <= now_) {
        arrived += flow.arriving.front().second;
        flow.arriving.pop_front();
    }
    if (arrived == 0) return;
    if (flow.acknowledges) {
        const auto sender = flows_.find({key.destination, key.source});
        if (sender != flows_.end() && sender->second.sender) {
            sender->second.sender->acknowledged(now_, arrived);
        }
    } else if (flow.sender && flow.sender->wants_acknowledgements()) {
        const FlowKey back{key.destination, key.source};
        offer(back, acknowledgements_of(key), arrived, 2);
    }
}

void SimulatedTraffic::step() {
    now_ += kStep;
    switch_epochs();
    if (hooks_.step) hooks_.step();
    if (in_order_.size() != flows_.size()) {
        in_order_.clear();
        for (auto& [key, flow] : flows_) in_order_.emplace_back(key, &flow);
    }
    for (const auto& [key, flow] : in_order_) deliver(key, *flow);
    for (const auto& [key, flow] : in_order_) {
        while (!flow->losses.empty() && flow->losses.front().first <= now_) {
            if (flow->sender) flow->sender->lost(now_, flow->losses.front().second);
            flow->losses.pop_front();
        }
        if (!flow->sender) continue;
        const std::int64_t packets = flow->sender->wishes(now_);
        flow->sender->sent(now_, packets);
        if (packets > 0) offer(key, *flow, packets, 1);
    }
    if (now() % milliseconds{10} != Duration::zero()) return;
    if (hooks_.tick) hooks_.tick();
    for (auto& [key, flow] : flows_) {
        flow.bytes_at.resize(static_cast<std::size_t>(now() / milliseconds{10}) + 1);
        flow.bytes_at.back() = flow.path.counters()->bytes;
    }
}

void SimulatedTraffic::run_until(Duration at) {
    while (now() < at) step();
}

double SimulatedTraffic::rate(FlowKey flow, Duration from, Duration to) const {
    const std::vector<std::uint64_t>& bytes = flows_.at(flow).bytes_at;
    const auto at = [&bytes](Duration when) {
        return bytes.at(static_cast<std::size_t>(when / milliseconds{10}));
    };
    return static_cast<double>(at(to) - at(from)) * 8e9 / static_cast<double>((to - from).count());
}

}  // namespace pleat::testing
