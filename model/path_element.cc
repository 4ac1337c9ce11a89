#include "model/path_element.hh"

#include <cmath>
#include <utility>

namespace pleat {

namespace {

Duration scaled(Duration unit, double factor) {
    return Duration{std::llround(static_cast<double>(unit.count()) * factor)};
}

}  // namespace

bool PathShape::has_chances() const {
    const Probability never;
    return loss > never || reorder > never || duplicate > never || corrupt > never ||
           burst_loss.has_value();
}

PathShape shape_of(const Path& path) {
    return PathShape{.bandwidth = path.bandwidth,
                     .queue = path.queue,
                     .overhead = path.overhead,
                     .latency = path.latency,
                     .jitter = path.jitter,
                     .distribution = path.distribution,
                     .loss = path.loss,
                     .reorder = path.reorder,
                     .duplicate = path.duplicate,
                     .corrupt = path.corrupt,
                     .burst_loss = path.burst_loss};
}

PathElement::PathElement(std::uint64_t seed, FlowKey flow) : flow_{flow}, seed_{seed} {}

void PathElement::resume(DrawMark mark) {
    const auto protocol = static_cast<std::uint8_t>(mark.protocol);
    ProtocolState& state = state_of(protocol);
    PLEAT_ASSERT(state.count == 0);
    state.count = mark.count;
    state.bad = mark.bad != 0;
}

std::vector<DrawMark> PathElement::marks() const {
    std::vector<DrawMark> marks;
    marks.reserve(protocols_.size());
    for (const ProtocolState& state : protocols_) {
        marks.push_back({.protocol = state.protocol,
                         .bad = state.bad ? 1U : 0U,
                         .count = state.count & ((std::uint64_t{1} << 55) - 1)});
    }
    return marks;
}

PathElement::ProtocolState& PathElement::state_of(std::uint8_t protocol) {
    for (ProtocolState& state : protocols_) {
        if (state.protocol == protocol) return state;
    }
    return protocols_.emplace_back(
        ProtocolState{.protocol = protocol, .draws = DrawStream{seed_, flow_, protocol}});
}

Fate PathElement::draw_fate(ProtocolState& state, std::uint64_t count) const {
    const DrawStream& draws = state.draws;
    Fate fate;
    fate.lost = draws.happens(DrawPurpose::loss, count, shape_.loss.value());
    if (shape_.burst_loss) {
        const GilbertElliott& burst = *shape_.burst_loss;
        const double change = state.bad ? burst.r.value() : burst.p.value();
        if (draws.happens(DrawPurpose::burst_state, count, change)) state.bad = !state.bad;
        const double passes = state.bad ? burst.h.value() : burst.k.value();
        if (draws.uniform(DrawPurpose::burst_loss, count) >= passes) fate.lost = true;
    }
    if (fate.lost) return fate;  // nothing else can happen to it
    fate.duplicate = draws.happens(DrawPurpose::duplicate, count, shape_.duplicate.value());
    fate.corrupt = draws.happens(DrawPurpose::corrupt, count, shape_.corrupt.value());
    fate.reorder = draws.happens(DrawPurpose::reorder, count, shape_.reorder.value());
    return fate;
}

std::uint16_t PathElement::at_once(std::int32_t segment_bytes) const {
    constexpr std::int64_t kAll = 0xffff;
    if (rate().is_unlimited()) return kAll;
    if (shape_.jitter > Duration::zero()) return 1;
    const std::int64_t bytes = (rate() * kLongestTrain).bytes();
    const std::int64_t segments = bytes / (segment_bytes + shape_.overhead.bytes_per_packet);
    return static_cast<std::uint16_t>(std::clamp<std::int64_t>(segments, 1, kAll));
}

std::uint16_t PathElement::room_for(const SentPacket& packet) const {
    const std::int64_t overhead = shape_.overhead.bytes_per_packet;
    const std::int64_t each = packet.segment_bytes + overhead;
    const std::int64_t used = queued_ip_bytes_ + queued_segments_ * overhead;
    const std::int64_t all = each * (packet.segments - 1) + packet.tail_bytes + overhead;
    const std::int64_t free = shape_.queue.bytes() - used;
    if (all <= free) return packet.segments;
    // What begins at once does not wait.
    const bool idle = !in_service() && !waiting();
    const std::int64_t begins = idle ? at_once(packet.segment_bytes) : 0;
    const std::int64_t fit = begins + std::max<std::int64_t>(free, 0) / each;
    return static_cast<std::uint16_t>(std::min<std::int64_t>(fit, packet.segments));
}

void PathElement::enqueue(Train train, const ProtocolState& state, std::uint64_t count) {
    Duration delay = shape_.latency;
    if (shape_.jitter > Duration::zero()) {
        delay += scaled(shape_.jitter, state.draws.jitter(shape_.distribution, count));
    }
    train.delay = std::max(delay, Duration::zero());
    if (train.fate.corrupt) {
        train.noise =
            static_cast<std::uint32_t>(state.draws.bits(DrawPurpose::corrupt_place, count));
    }
    queued_ip_bytes_ += train.ip_bytes();
    queued_segments_ += train.segments;
    queue_.push_back(train);
}

PathElement::Admission PathElement::admit(const SentPacket& packet, FineInstant now) {
    ProtocolState& state = state_of(packet.protocol);
    const std::uint64_t first_count = state.count;
    state.count += packet.segments;

    const std::uint16_t accepted = room_for(packet);
    Admission admission{.refused = static_cast<std::uint16_t>(packet.segments - accepted)};
    Train train{
        .packet = packet.packet,
        .segments = accepted,
        .segment_bytes = packet.segment_bytes,
        .tail_bytes = accepted == packet.segments ? packet.tail_bytes : packet.segment_bytes,
        .arrival = now};
    const bool chances = shape_.has_chances();
    const bool jitter = shape_.jitter > Duration::zero();
    if (!chances && !jitter) {
        if (accepted == 0) return admission;
        enqueue(train, state, first_count);
        admission.trains = 1;
        return admission;
    }
    // Cut it where the fate changes; with jitter each segment has a delay of its own.
    std::uint16_t begun = 0;  // the first segment that is in no train yet
    Fate fate;                // of the segments from there on
    const auto close = [&](std::uint16_t end) {
        if (end == begun) return;
        const auto length = static_cast<std::uint16_t>(end - begun);
        Train part = end == accepted ? train : train.take_front(length);
        part.fate = fate;
        enqueue(part, state, first_count + begun);
        ++admission.trains;
        begun = end;
    };
    for (std::uint16_t i = 0; i < packet.segments; ++i) {
        const Fate next = chances ? draw_fate(state, first_count + i) : Fate{};
        if (i >= accepted) continue;  // the draw is made: burst loss goes on
        const bool alone = next.duplicate || next.corrupt || next.reorder;
        if (alone || jitter || next != fate) close(i);
        fate = next;
        if (i + 1 == accepted) close(accepted);
    }
    return admission;
}

bool PathElement::begin() {
    PLEAT_ASSERT(waiting() && !in_service());
    Train& head = queue_.front();
    const std::uint16_t count = at_once(head.segment_bytes);
    const bool split = head.segments > count;
    serving_ = split ? head.take_front(count) : queue_.pop_front();
    queued_ip_bytes_ -= serving_->ip_bytes();
    queued_segments_ -= serving_->segments;
    finish_ = std::max(FineInstant{serving_->arrival}, clock_) +
              transmission_time(serving_->bytes(shape_.overhead), rate());
    return split;
}

Train PathElement::depart(FineInstant at, Ticks credit) {
    PLEAT_ASSERT(in_service());
    serving_->idle_before = std::max(serving_->arrival - departed_, Ticks::zero());
    clock_ = std::max(finish_, at - credit);
    departed_ = at;
    return *std::exchange(serving_, std::nullopt);
}

std::int64_t PathElement::queued_bytes() const {
    const std::int64_t waiting =
        queued_ip_bytes_ + queued_segments_ * shape_.overhead.bytes_per_packet;
    return waiting + (serving_ ? serving_->bytes(shape_.overhead) : 0);
}

bool PathElement::hold(Train train, FineInstant departure) {
    train.due = std::max(departure + Ticks{train.delay}, last_due_);
    last_due_ = train.due;
    line_.push_back(train);
    return line_.size() == 1;
}

Train PathElement::hand_over(FineInstant at, Duration at_once) {
    Train train = line_.pop_front();
    train.held_back = catch_up_.hand_over(train) - train.due;
    catch_up_.handed_over(train, at, at_once);
    return train;
}

}  // namespace pleat
