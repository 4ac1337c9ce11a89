#include "node/dataplane/engine.hh"

#include <utility>

#include "node/dataplane/single_writer.hh"

namespace pleat {

namespace {

constexpr Duration kIdle = std::chrono::milliseconds{100};  // a flow starts anew after this
constexpr Duration kSilent = std::chrono::seconds{30};      // a flow is forgotten after this

// How many flows are looked at when one starts. So at most a third more are in memory than
// have sent lately, and no timer is needed: where no flow starts, memory does not grow.
constexpr int kLooks = 4;

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
      remote_(hosts),
      cut_(hosts, false) {}

std::optional<FineInstant> Engine::next_of_links() const {
    if (links_.heap.empty()) return std::nullopt;
    return time_.machine(links_.heap.next_at());
}

std::optional<FineInstant> Engine::next() const {
    const std::optional<FineInstant> link = next_of_links();
    if (deliveries_.heap.empty()) return link;
    const FineInstant delivery = deliveries_.heap.next_at();
    return link ? std::min(*link, delivery) : delivery;
}

void Engine::advance(FineInstant now) {
    told_ = std::max(told_, now);
    handed_over_ = false;
    time_.awake(now, links_.heap.empty() ? std::nullopt : std::optional{links_.heap.next_at()});
    for (;;) {
        const std::optional<FineInstant> link = next_of_links();
        const bool delivers =
            !deliveries_.heap.empty() && (!link || deliveries_.heap.next_at() < *link);
        if (!delivers && !link) break;
        const FineInstant at = delivers ? deliveries_.heap.next_at() : *link;
        if (at > now) break;
        now_ = std::max(now_, at);
        if (!delivers) link_now_ = std::max(link_now_, links_.heap.next_at());
        fire_next(delivers ? deliveries_ : links_);
    }
    now_ = std::max(now_, now);
    link_now_ = std::max(link_now_, time_.network(now));
}

void Engine::fire_next(Timers& timers) {
    const TimerHeap::TimerId timer = timers.heap.next();
    timers.heap.unset(timer);
    fire(timers.owners[timer]);
}

void Engine::arrive(FlowKey key, const SentPacket& packet, FineInstant now) {
    advance(now);
    const FlowIndex index = find_or_create(key);
    Flow& flow = flow_at(index);
    if (flow.version != version_) refresh(index);
    note_arrival(flow);
    if (!flow.reachable || is_cut(key)) {
        drops_.unreachable += packet.segments;
        add<std::uint64_t>(flow.counters->unreachable_drops, packet.segments);
        exit_.release(packet.packet);
        return;
    }
    const PathElement::Admission admission = flow.element.admit(packet, link_now_);
    if (admission.refused > 0) {
        drops_.queue += admission.refused;
        add<std::uint64_t>(flow.counters->queue_drops, admission.refused);
    }
    if (admission.trains == 0) exit_.release(packet.packet);
    for (int more = 1; more < admission.trains; ++more) exit_.hold(packet.packet);
    serve(index);
}

void Engine::enter(FlowKey key, const SentPacket& packet, FineInstant now) {
    advance(now);
    const FlowIndex index = find_or_create(key);
    Flow& flow = flow_at(index);
    if (flow.version != version_) refresh(index);
    const bool starts = !flow.last_arrival || now_ - *flow.last_arrival >= kIdle;
    flow.last_arrival = now_;
    if (starts) forget_some();
    // Unreachable or not: what has departed arrives.
    reach(index, Train{.packet = packet.packet,
                       .segments = packet.segments,
                       .segment_bytes = packet.segment_bytes,
                       .tail_bytes = packet.tail_bytes,
                       .arrival = now_,
                       .due = now_});
}

void Engine::set_remote(HostId host, Duration underlay) {
    PLEAT_ASSERT(host.value < remote_.size());
    remote_[host.value] = underlay;
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
        if (flow_at(index).version != version_) refresh(index);
        arm_downlink(link);
    }
}

void Engine::set_cap(FlowKey key, Bandwidth cap, FineInstant now) {
    advance(now);
    const auto found = flow_index_.find(key);
    if (found != flow_index_.end()) {
        flow_at(found->second).element.set_cap(cap);
    } else if (cap.is_unlimited()) {
        early_caps_.erase(key);
    } else {
        early_caps_.insert_or_assign(key, cap);
    }
}

void Engine::cut(HostId host, FineInstant now) {
    PLEAT_ASSERT(host.value < cut_.size());
    advance(now);
    cut_[host.value] = true;
    for (const FlowIndex index : std::vector<FlowIndex>{backlog_}) {
        if (is_cut(flow_at(index).element.flow())) drop_waiting(index);
    }
}

bool Engine::is_cut(FlowKey flow) const {
    return cut_[flow.source.value] || cut_[flow.destination.value];
}

FlowIndex Engine::find_or_create(FlowKey key) {
    PLEAT_ASSERT(key.source.value < cut_.size() && key.destination.value < cut_.size() &&
                 key.source != key.destination);
    const auto known = flow_index_.find(key);
    if (known != flow_index_.end()) return known->second;
    const FlowIndex index = free_place();
    flow_index_.emplace(key, index);
    Place& place = places_[index];
    place.flow = std::make_unique<Flow>(Flow{.element = PathElement{seed_, key},
                                             .counters = std::make_shared<FlowCounters>(),
                                             .service = place.service,
                                             .delivery = place.delivery});
    Flow& flow = *place.flow;
    if (const auto cap = early_caps_.find(key); cap != early_caps_.end()) {
        flow.element.set_cap(cap->second);
        early_caps_.erase(cap);
    }
    const auto [first, last] = forgotten_.equal_range(key);
    for (auto mark = first; mark != last; ++mark) flow.element.resume(mark->second);
    forgotten_.erase(first, last);
    return index;
}

FlowIndex Engine::free_place() {
    if (!free_places_.empty()) {
        const FlowIndex index = free_places_.back();
        free_places_.pop_back();
        return index;
    }
    const auto index = static_cast<FlowIndex>(places_.size());
    places_.push_back({.flow = nullptr,
                       .service = add_timer(links_, Event::service, index),
                       .delivery = add_timer(deliveries_, Event::delivery, index)});
    return index;
}

void Engine::forget_some() {
    for (int look = 0; look < kLooks; ++look) {
        if (++next_look_ >= places_.size()) next_look_ = 0;
        if (places_[next_look_].flow && is_silent(flow_at(next_look_))) forget(next_look_);
    }
}

bool Engine::is_silent(const Flow& flow) const {
    return flow.element.empty() && flow.at_downlink == 0 &&
           now_ - flow.last_arrival.value_or(now_) >= kSilent;
}

void Engine::forget(FlowIndex index) {
    const Flow& flow = flow_at(index);
    const FlowKey key = flow.element.flow();
    for (const DrawMark mark : flow.element.marks()) forgotten_.emplace(key, mark);
    if (const Bandwidth cap = flow.element.cap(); !cap.is_unlimited()) {
        early_caps_.emplace(key, cap);
    }
    flow_index_.erase(key);
    places_[index].flow.reset();
    free_places_.push_back(index);
}

TimerHeap::TimerId Engine::add_timer(Timers& timers, Event event, std::uint32_t index) {
    timers.owners.push_back({event, index});
    return timers.heap.add();
}

std::uint32_t Engine::uplink_of(const AccessShape& shape) {
    const auto next_index = static_cast<std::uint32_t>(uplinks_.size());
    const auto [found, created] = uplink_index_.try_emplace(shape.link, next_index);
    if (created) uplinks_.push_back({Uplink{}, add_timer(links_, Event::uplink, next_index)});
    uplinks_[found->second].clock.reshape(shape);
    return found->second;
}

std::uint32_t Engine::downlink_of(const AccessShape& shape) {
    const auto next_index = static_cast<std::uint32_t>(downlinks_.size());
    const auto [found, created] = downlink_index_.try_emplace(shape.link, next_index);
    if (created) {
        downlinks_.push_back({Downlink{}, add_timer(deliveries_, Event::downlink, next_index)});
    }
    downlinks_[found->second].clock.reshape(shape);
    return found->second;
}

void Engine::refresh(FlowIndex index) {
    Flow& flow = flow_at(index);
    flow.version = version_;
    const std::optional<FlowShape> shape = shape_of_(flow.element.flow());
    flow.reachable = shape.has_value();
    if (!shape) {
        drop_waiting(index);
        return;
    }
    flow.element.reshape(shape->path);
    flow.uplink = uplink_of(shape->uplink);
    const bool remote = remote_[flow.element.flow().destination.value].has_value();
    flow.downlink = shape->downlink && !remote ? downlink_of(*shape->downlink) : kNone;
    if (shape->downlink) flow.downlink_queue = shape->downlink->queue;
}

void Engine::note_arrival(Flow& flow) {
    put(flow.counters->last_arrival_ns, nanoseconds(now_));
    const bool starts = !flow.last_arrival || now_ - *flow.last_arrival >= kIdle;
    flow.last_arrival = now_;
    if (!starts) return;
    exit_.flow_started(flow.element.flow(), whole(now_), flow.counters);
    forget_some();
}

// Keeps what others see of the flow's queue: the backlog list and its counters.
void Engine::note_queue(FlowIndex index) {
    Flow& flow = flow_at(index);
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
        flow_at(backlog_.back()).backlog_place = flow.backlog_place;
        backlog_.pop_back();
        flow.backlog_place = kNone;
    }
}

}  // namespace pleat
