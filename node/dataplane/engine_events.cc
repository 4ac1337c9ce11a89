// The engine's second half: what happens to a train from its queue to its destination.
// All of it happens at now_, the computed instant; that is link_now_ by the clocks of links.
#include <algorithm>
#include <utility>

#include "node/dataplane/engine.hh"
#include "node/dataplane/single_writer.hh"

namespace pleat {

void Engine::fire(TimerOwner owner) {
    switch (owner.event) {
        case Event::service:
            ask_to_depart(owner.index);
            serve(owner.index);
            return;
        case Event::delivery:
            hand_over(owner.index);
            return;
        case Event::uplink: {
            Uplink& uplink = uplinks_[owner.index].clock;
            const FlowIndex index = uplink.leave(link_now_);
            depart(index);
            serve(index);  // its next train competes with those that wait
            uplink.choose();
            arm(owner.index);
            return;
        }
        case Event::downlink: {
            const Downlink::Passing passing = downlinks_[owner.index].clock.leave(now_);
            arm_downlink(owner.index);
            --flow_at(passing.flow).at_downlink;
            Train train = passing.train;
            train.due = now_ - train.held_back;
            deliver(flow_at(passing.flow), train);
            return;
        }
    }
}

// Sends what may go, as long as nothing of the flow is on its way out.
void Engine::serve(FlowIndex index) {
    Flow& flow = flow_at(index);
    while (flow.element.waiting() && !flow.element.in_service()) {
        if (flow.element.begin()) exit_.hold(flow.element.served().packet);
        flow.uplink_time = uplinks_[flow.uplink].clock.time_of(flow.element.served());
        const FineInstant eligible = flow.element.eligible();
        if (eligible > link_now_) {
            links_.heap.set(flow.service, eligible);
            break;
        }
        ask_to_depart(index);
    }
    note_queue(index);
}

void Engine::ask_to_depart(FlowIndex index) {
    Flow& flow = flow_at(index);
    const PathElement& element = flow.element;
    if (uplinks_[flow.uplink].clock.ask(index, flow.uplink_time, element.finish(), link_now_)) {
        depart(index);
        return;
    }
    flow.asked = flow.uplink;
    arm(flow.uplink);
}

void Engine::arm(std::uint32_t uplink) {
    const Access<Uplink>& access = uplinks_[uplink];
    if (const std::optional<FineInstant> next = access.clock.next()) {
        links_.heap.set(access.timer, *next);
    } else {
        links_.heap.unset(access.timer);
    }
}

void Engine::arm_downlink(std::uint32_t downlink) {
    const Access<Downlink>& access = downlinks_[downlink];
    if (access.clock.waiting()) deliveries_.heap.set(access.timer, access.clock.next());
}

void Engine::depart(FlowIndex index) {
    Flow& flow = flow_at(index);
    flow.asked = kNone;
    Train train = flow.element.depart(link_now_, uplinks_[flow.uplink].clock.credit());
    const Ticks behind = time_.behind(link_now_);
    train.idle_before += std::max(behind - std::exchange(flow.behind, behind), Ticks::zero());
    if (const auto& underlay = remote_[flow.element.flow().destination.value]) {
        train.delay = std::max(train.delay - *underlay, Duration::zero());
    }
    FlowCounters& counters = *flow.counters;
    add(counters.bytes, static_cast<std::uint64_t>(train.bytes(flow.element.shape().overhead)));
    add<std::uint64_t>(counters.packets, train.segments);
    if (train.fate.lost) {
        drops_.loss += train.segments;
        add<std::uint64_t>(counters.loss_drops, train.segments);
        exit_.release(train.packet);
        return;
    }
    if (train.fate.duplicate) {
        exit_.hold(train.packet);
        travel(index, train);
    }
    travel(index, train);
}

// From the departure on: the delay line, unless there is nothing to wait for.
void Engine::travel(FlowIndex index, const Train& train) {
    Flow& flow = flow_at(index);
    if (train.fate.reorder) {
        Train at_once = train;
        at_once.due = now_;
        reach(index, at_once);
        return;
    }
    const bool first = flow.element.hold(train, now_);
    if (!first) return;
    if (const FineInstant at = flow.element.next_hand_over(); at > now_) {
        deliveries_.heap.set(flow.delivery, at);
    } else {
        hand_over(index);
    }
}

// From the delay line on.
void Engine::hand_over(FlowIndex index) {
    PathElement& element = flow_at(index).element;
    if (!std::exchange(handed_over_, true)) {
        const Ticks late = told_ - element.next_hand_over();
        punctuality_.observe(std::chrono::floor<Duration>(late));
    }
    const Train train = element.hand_over(told_, punctuality_.usual());
    if (element.holding()) deliveries_.heap.set(flow_at(index).delivery, element.next_hand_over());
    reach(index, train);
}

void Engine::reach(FlowIndex index, const Train& train) {
    Flow& flow = flow_at(index);
    if (flow.downlink == kNone) {
        deliver(flow, train);
        return;
    }
    Downlink& downlink = downlinks_[flow.downlink].clock;
    switch (downlink.offer({train, index}, flow.downlink_queue, now_)) {
        case Downlink::Answer::passes:
            deliver(flow, train);
            return;
        case Downlink::Answer::waits:
            ++flow.at_downlink;
            arm_downlink(flow.downlink);
            return;
        case Downlink::Answer::full:
            drops_.queue += train.segments;
            add<std::uint64_t>(flow.counters->queue_drops, train.segments);
            exit_.release(train.packet);
            return;
    }
}

void Engine::deliver(const Flow& flow, const Train& train) {
    const HostId destination = flow.element.flow().destination;
    if (cut_[destination.value]) {
        drops_.unreachable += train.segments;
        add<std::uint64_t>(flow.counters->unreachable_drops, train.segments);
        exit_.release(train.packet);
        return;
    }
    exit_.deliver(train, destination);
}

void Engine::drop_waiting(FlowIndex index) {
    Flow& flow = flow_at(index);
    links_.heap.unset(flow.service);
    if (flow.asked != kNone) {
        uplinks_[flow.asked].clock.withdraw(index);
        arm(flow.asked);
        flow.asked = kNone;
    }
    flow.element.clear([&](const Train& train) {
        drops_.unreachable += train.segments;
        add<std::uint64_t>(flow.counters->unreachable_drops, train.segments);
        exit_.release(train.packet);
    });
    note_queue(index);
}

}  // namespace pleat
