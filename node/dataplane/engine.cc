#include "node/dataplane/engine.hh"

#include <utility>

#include "node/dataplane/single_writer.hh"

namespace pleat {

namespace {

constexpr Duration kIdle = std::chrono::milliseconds{100};  // a flow starts anew after this

Instant whole(FineInstant at) {
    return std::chrono::time_point_cast<Duration>(at);
}

std::int64_t nanoseconds(FineInstant at) {
    return whole(at).time_since_epoch().count();
}

}  // namespace

Engine::Engine(std::uint64_t seed, std::size_t hosts, Exit& exit)
    : seed_{seed},
      exit_{exit},
      shape_of_{[](FlowKey) { return std::nullopt; }},
      cut_(hosts, false) {}

std::optional<FineInstant> Engine::next() const {
    if (timers_.empty()) return std::nullopt;
    return timers_.next_at();
}

void Engine::advance(FineInstant now) {
    while (!timers_.empty() && timers_.next_at() <= now) {
        const TimerHeap::TimerId timer = timers_.next();
        now_ = std::max(now_, timers_.next_at());
        timers_.unset(timer);
        fire(owners_[timer]);
    }
    now_ = std::max(now_, now);
}

void Engine::arrive(FlowKey key, const SentPacket& packet, FineInstant now) {
    advance(now);
    const FlowIndex index = find_or_create(key);
    Flow& flow = flows_[index];
    if (flow.version != version_) refresh(index);
    note_arrival(flow);
    if (!flow.reachable || is_cut(key)) {
        drops_.unreachable += packet.segments;
        add<std::uint64_t>(flow.counters->unreachable_drops, packet.segments);
        exit_.release(packet.packet);
        return;
    }
    const PathElement::Admission admission = flow.element.admit(packet, now_);
    if (admission.refused > 0) {
        drops_.queue += admission.refused;
        add<std::uint64_t>(flow.counters->queue_drops, admission.refused);
    }
    if (admission.trains == 0) exit_.release(packet.packet);
    for (int more = 1; more < admission.trains; ++more) exit_.hold(packet.packet);
    serve(index);
}

void Engine::switch_paths(ShapeOfFlow shape_of, FineInstant now) {
    advance(now);
    shape_of_ = std::move(shape_of);
    ++version_;
    for (const FlowIndex index : std::vector<FlowIndex>{backlog_}) refresh(index);
    for (std::uint32_t link = 0; link < downlinks_.size(); ++link) {
        const Downlink& downlink = downlinks_[link].clock;
        if (!downlink.waiting()) continue;
        const FlowIndex index = downlink.front().flow;
        if (flows_[index].version != version_) refresh(index);
        arm_downlink(link);
    }
}

void Engine::set_cap(FlowKey key, Bandwidth cap, FineInstant now) {
    advance(now);
    const auto found = flow_index_.find(key);
    if (found == flow_index_.end()) {
        early_caps_.insert_or_assign(key, cap);
    } else {
        flows_[found->second].element.set_cap(cap);
    }
}

void Engine::cut(HostId host, FineInstant now) {
    PLEAT_ASSERT(host.value < cut_.size());
    advance(now);
    cut_[host.value] = true;
    for (const FlowIndex index : std::vector<FlowIndex>{backlog_}) {
        if (is_cut(flows_[index].element.flow())) drop_waiting(index);
    }
}

bool Engine::is_cut(FlowKey flow) const {
    return cut_[flow.source.value] || cut_[flow.destination.value];
}

FlowIndex Engine::find_or_create(FlowKey key) {
    PLEAT_ASSERT(key.source.value < cut_.size() && key.destination.value < cut_.size() &&
                 key.source != key.destination);
    const auto next_index = static_cast<FlowIndex>(flows_.size());
    const auto [found, created] = flow_index_.try_emplace(key, next_index);
    if (!created) return found->second;
    flows_.push_back(Flow{.element = PathElement{seed_, key},
                          .counters = std::make_shared<FlowCounters>(),
                          .service = add_timer(Event::service, next_index),
                          .delivery = add_timer(Event::delivery, next_index)});
    if (const auto cap = early_caps_.find(key); cap != early_caps_.end()) {
        flows_.back().element.set_cap(cap->second);
        early_caps_.erase(cap);
    }
    return next_index;
}

TimerHeap::TimerId Engine::add_timer(Event event, std::uint32_t index) {
    owners_.push_back({event, index});
    return timers_.add();
}

std::uint32_t Engine::uplink_of(const AccessShape& shape) {
    const auto next_index = static_cast<std::uint32_t>(uplinks_.size());
    const auto [found, created] = uplink_index_.try_emplace(shape.link, next_index);
    if (created) uplinks_.push_back({Uplink{}, add_timer(Event::uplink, next_index)});
    uplinks_[found->second].clock.reshape(shape);
    return found->second;
}

std::uint32_t Engine::downlink_of(const AccessShape& shape) {
    const auto next_index = static_cast<std::uint32_t>(downlinks_.size());
    const auto [found, created] = downlink_index_.try_emplace(shape.link, next_index);
    if (created) downlinks_.push_back({Downlink{}, add_timer(Event::downlink, next_index)});
    downlinks_[found->second].clock.reshape(shape);
    return found->second;
}

void Engine::refresh(FlowIndex index) {
    Flow& flow = flows_[index];
    flow.version = version_;
    const std::optional<FlowShape> shape = shape_of_(flow.element.flow());
    flow.reachable = shape.has_value();
    if (!shape) {
        drop_waiting(index);
        return;
    }
    flow.element.reshape(shape->path);
    flow.uplink = uplink_of(shape->uplink);
    flow.downlink = shape->downlink ? downlink_of(*shape->downlink) : kNone;
    if (shape->downlink) flow.downlink_queue = shape->downlink->queue;
}

void Engine::note_arrival(Flow& flow) {
    put(flow.counters->last_arrival_ns, nanoseconds(now_));
    const bool starts = !flow.last_arrival || now_ - *flow.last_arrival >= kIdle;
    flow.last_arrival = now_;
    if (starts) exit_.flow_started(flow.element.flow(), whole(now_), flow.counters);
}

// Keeps what others see of the flow's queue: the backlog list and its counters.
void Engine::note_queue(FlowIndex index) {
    Flow& flow = flows_[index];
    FlowCounters& counters = *flow.counters;
    const std::int64_t queued = flow.element.queued_bytes();
    put(counters.queued_bytes, queued);
    const std::int64_t since = counters.waiting_since_ns.load(std::memory_order_relaxed);
    if (flow.element.waiting() && since == 0) {
        put(counters.waiting_since_ns, nanoseconds(now_));
    } else if (!flow.element.waiting() && since != 0) {
        add(counters.waited_ns, nanoseconds(now_) - since);
        put(counters.waiting_since_ns, std::int64_t{0});
    }
    if (flow.element.in_service() && flow.backlog_place == kNone) {
        flow.backlog_place = static_cast<std::uint32_t>(backlog_.size());
        backlog_.push_back(index);
    } else if (!flow.element.in_service() && flow.backlog_place != kNone) {
        backlog_[flow.backlog_place] = backlog_.back();
        flows_[backlog_.back()].backlog_place = flow.backlog_place;
        backlog_.pop_back();
        flow.backlog_place = kNone;
    }
}

}  // namespace pleat
