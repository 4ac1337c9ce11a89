#include "tests/sharing/simulated_run.hh"

#include <algorithm>
#include <cmath>

namespace pleat::testing {

using std::chrono::milliseconds;

namespace {

constexpr Duration kMessageDelay = milliseconds{2};

}  // namespace

SimulatedRun::SimulatedRun(Scenario scenario, std::size_t machines)
    : scenario_{std::move(scenario)}, epochs_{compute_epochs(scenario_)}, folder_{scenario_} {
    for (PathTable& table : tables(epochs_)) {
        tables_.push_back(std::make_shared<const PathTable>(std::move(table)));
    }
    for (std::size_t machine = 0; machine < machines; ++machine) {
        sharers_.push_back(std::make_unique<Sharer>(folder_, tables_.front(), outputs_of(machine)));
    }
}

SharerOutputs SimulatedRun::outputs_of(std::size_t machine) {
    SharerOutputs outputs;
    outputs.set_caps = [this](const std::vector<FlowCap>& caps) {
        for (const FlowCap& cap : caps) flows_.at(cap.flow).cap = cap.cap;
    };
    outputs.publish = [this, machine](std::vector<FlowState> flows) {
        for (const FlowState& flow : flows) states_.insert_or_assign(flow.flow, flow.state);
        messages_.push_back({now(), std::move(flows)});
        senders_.push_back(machine);
    };
    outputs.share = [this](FlowKey flow, Bandwidth share, Instant at) {
        changes_[flow].push_back({at - kStart, share});
    };
    return outputs;
}

void SimulatedRun::hear_messages() {
    for (; heard_ < messages_.size() && messages_[heard_].at + kMessageDelay <= now(); ++heard_) {
        for (std::size_t machine = 0; machine < sharers_.size(); ++machine) {
            if (machine == senders_[heard_]) continue;
            sharers_[machine]->apply_remote(std::to_string(senders_[heard_]),
                                            messages_[heard_].flows, now_);
        }
    }
}

bool SimulatedRun::idle() const {
    return std::all_of(sharers_.begin(), sharers_.end(),
                       [](const auto& sharer) { return sharer->idle(); });
}

FlowKey SimulatedRun::flow(std::string_view source, std::string_view destination) const {
    return {scenario_.topology.find_host(source).value(),
            scenario_.topology.find_host(destination).value()};
}

void SimulatedRun::send(FlowKey key, std::unique_ptr<Sender> sender) {
    const std::int64_t bytes = sender ? sender->packet_bytes() : 1514;
    flows_.try_emplace(key, bytes).first->second.sender = std::move(sender);
}

void SimulatedRun::crash(std::string_view name) {
    const HostId host = scenario_.topology.find_host(name).value();
    cut_.push_back(host);
    for (auto& [key, flow] : flows_) {
        if (key.source != host && key.destination != host) continue;
        flow.path.clear(now_);
        flow.covers.clear();
        flow.arriving.clear();
        flow.losses.clear();
        if (key.source == host) flow.sender.reset();
    }
    for (const auto& sharer : sharers_) sharer->host_crashed(host, now_);
}

std::optional<Path> SimulatedRun::path(FlowKey key) const {
    for (const HostId host : cut_) {
        if (key.source == host || key.destination == host) return std::nullopt;
    }
    const auto known = paths_.find(key);
    if (known != paths_.end()) return known->second;
    return paths_[key] = folder_.fold(*tables_[epoch_], key.source, key.destination);
}

void SimulatedRun::switch_epochs() {
    while (epoch_ + 1 < tables_.size() &&
           epochs_.epochs[epoch_ + 1].start.time_since_epoch() <= now()) {
        ++epoch_;
        paths_.clear();
        for (const auto& sharer : sharers_) sharer->table_activated(tables_[epoch_], now_);
    }
}

SimulatedRun::Flow& SimulatedRun::acknowledgements_of(FlowKey key) {
    constexpr std::int64_t kAcknowledgement = 66;
    Flow& flow = flows_.try_emplace({key.destination, key.source}, kAcknowledgement).first->second;
    flow.acknowledges = true;
    return flow;
}

void SimulatedRun::offer(FlowKey key, Flow& flow, Instant now, std::int64_t packets,
                         std::int64_t packets_each) {
    const std::optional<Path> way = path(key);
    if (!way) return;
    for (std::int64_t i = 0; i < packets; i += packets_each) {
        const bool starts =
            flow.last_packet == Instant{} || now - flow.last_packet >= milliseconds{100};
        flow.last_packet = now;
        const std::int64_t covered = std::min(packets_each, packets - i);
        if (!flow.path.offer(now, way->queue)) {
            const Duration waits = DataSize::bytes(flow.path.queued() * flow.path.packet_bytes()) /
                                   std::min(flow.cap, way->bandwidth);
            flow.losses.emplace_back(now + way->rtt + waits, covered);
        } else if (flow.acknowledges) {
            flow.covers.push_back(covered);
        }
        if (starts) sharer_of(key).flow_started({key, now, flow.path.counters()}, now);
    }
}

// What departs in this step, and what arrives.
void SimulatedRun::deliver(FlowKey key, Flow& flow, Instant now) {
    const std::optional<Path> way = path(key);
    if (!way) {
        flow.path.clear(now);
        flow.covers.clear();
        return;
    }
    std::int64_t departed = flow.path.step(now, kStep, std::min(flow.cap, way->bandwidth));
    if (flow.acknowledges) {
        std::int64_t covered = 0;
        for (; departed > 0 && !flow.covers.empty(); --departed) {
            covered += flow.covers.front();
            flow.covers.pop_front();
        }
        departed = covered;
    }
    if (departed > 0) flow.arriving.emplace_back(now + way->latency, departed);
    std::int64_t arrived = 0;
    while (!flow.arriving.empty() && flow.arriving.front().first <= now) {
        arrived += flow.arriving.front().second;
        flow.arriving.pop_front();
    }
    if (arrived == 0) return;
    if (flow.acknowledges) {
        const auto sender = flows_.find({key.destination, key.source});
        if (sender != flows_.end() && sender->second.sender) {
            sender->second.sender->acknowledged(now, arrived);
        }
    } else if (flow.sender && flow.sender->wants_acknowledgements()) {
        const FlowKey back{key.destination, key.source};
        offer(back, acknowledgements_of(key), now, arrived, 2);
    }
}

void SimulatedRun::step() {
    now_ += kStep;
    switch_epochs();
    hear_messages();
    std::vector<FlowKey> keys;
    keys.reserve(flows_.size());
    for (const auto& [key, flow] : flows_) keys.push_back(key);
    for (const FlowKey key : keys) deliver(key, flows_.at(key), now_);
    for (const FlowKey key : keys) {
        Flow& flow = flows_.at(key);
        while (!flow.losses.empty() && flow.losses.front().first <= now_) {
            if (flow.sender) flow.sender->lost(now_, flow.losses.front().second);
            flow.losses.pop_front();
        }
        if (!flow.sender) continue;
        const std::int64_t packets = flow.sender->wishes(now_);
        flow.sender->sent(now_, packets);
        offer(key, flow, now_, packets, 1);
    }
    if (now() % milliseconds{10} != Duration::zero()) return;
    for (const auto& sharer : sharers_) {
        if (!sharer->idle()) sharer->tick(now_);
    }
    for (auto& [key, flow] : flows_) {
        flow.bytes_at.resize(static_cast<std::size_t>(now() / milliseconds{10}) + 1);
        flow.bytes_at.back() = flow.path.counters()->bytes;
    }
}

void SimulatedRun::run_until(Duration at) {
    while (now() < at) step();
}

Bandwidth SimulatedRun::share(FlowKey flow) const {
    return changes_.at(flow).back().share;
}

DemandState SimulatedRun::state(FlowKey flow) const {
    const auto found = states_.find(flow);
    return found == states_.end() ? DemandState::gone() : found->second;
}

double SimulatedRun::rate(FlowKey flow, Duration from, Duration to) const {
    const std::vector<std::uint64_t>& bytes = flows_.at(flow).bytes_at;
    const auto at = [&bytes](Duration when) {
        return bytes.at(static_cast<std::size_t>(when / milliseconds{10}));
    };
    return static_cast<double>(at(to) - at(from)) * 8e9 / static_cast<double>((to - from).count());
}

Duration SimulatedRun::settled(const std::map<FlowKey, double>& expected, Duration from,
                               Duration to) const {
    Duration last = from;
    for (const auto& [flow, rate] : expected) {
        const std::vector<Change>& changes = changes_.at(flow);
        for (std::size_t i = 0; i < changes.size(); ++i) {
            const Duration until = i + 1 < changes.size() ? changes[i + 1].at : to;
            const auto share = static_cast<double>(changes[i].share.bits_per_second());
            const bool wrong = std::abs(share - rate) > 0.05 * rate;
            if (wrong && until > from && changes[i].at < to) {
                last = std::max(last, std::min(until, to));
            }
        }
    }
    return last;
}

}  // namespace pleat::testing
