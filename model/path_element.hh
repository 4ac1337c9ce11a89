// PathElement: what a path does to its packets, as a machine without I/O that is told
// the time.
//
//     admit() --> WAITING --begin()--> IN SERVICE --depart()--> DELAY LINE --arrive()-->
//                (a queue)             (one train)              (have a due time)
//
// (1) finish = max(arrival, finish of the one before) + bytes/rate, in computed instants of the
//     network's time (NetworkTime). From the departure on time is the machine's.
// (2) A rate counts for trains that have not begun; a train is at most max(1 segment,
//     what passes in kLongestTrain) when it begins, and one segment on a path with jitter.
//     Delay, jitter and chances count for packets that enter afterwards.
// (3) The queue's limit holds for waiting bytes, segment by segment (tail drop).
// (4) Trains are due in the order in which they departed, whatever the jitter.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "model/catch_up.hh"
#include "model/draw.hh"
#include "model/path.hh"
#include "model/ring.hh"
#include "model/train.hh"

namespace pleat {

// What of a Path concerns its packets.
struct PathShape {
    Bandwidth bandwidth = Bandwidth::unlimited();
    DataSize queue = DataSize::bytes(0);
    Overhead overhead{};
    Duration latency{};
    Duration jitter{};
    JitterDistribution distribution = JitterDistribution::normal;
    Probability loss{};
    Probability reorder{};
    Probability duplicate{};
    Probability corrupt{};
    std::optional<GilbertElliott> burst_loss{};

    // Segments may meet different fates.
    bool has_chances() const;

    friend bool operator==(const PathShape&, const PathShape&) = default;
};

PathShape shape_of(const Path& path);

// A packet that a host sent.
struct SentPacket {
    std::uint32_t packet = 0;  // the owner's name for it
    std::uint8_t protocol = 0;
    std::uint16_t segments = 1;
    std::int32_t segment_bytes = 0;  // IP packet of each segment but the last
    std::int32_t tail_bytes = 0;     // IP packet of the last one
};

// How far the draws of one IP protocol on a path have come: all that a path that has been
// silent for long must remember.
struct DrawMark {
    std::uint64_t protocol : 8;
    std::uint64_t bad : 1;  // the state of burst loss
    std::uint64_t count : 55;
};

class PathElement {
  public:
    // A rate is kept to in steps of this; longer trains would make bursts, shorter ones work.
    static constexpr Duration kLongestTrain = std::chrono::microseconds{250};

    PathElement(std::uint64_t seed, FlowKey flow);

    // Draws go on from there, for a protocol that has sent nothing yet.
    void resume(DrawMark mark);

    // One of each protocol that has sent.
    std::vector<DrawMark> marks() const;

    FlowKey flow() const { return flow_; }

    const PathShape& shape() const { return shape_; }

    void reshape(const PathShape& shape) { shape_ = shape; }

    Bandwidth cap() const { return cap_; }

    void set_cap(Bandwidth cap) { cap_ = cap; }

    // What the clock runs at: the path's bandwidth, or the cap when that is lower.
    Bandwidth rate() const { return std::min(shape_.bandwidth, cap_); }

    struct Admission {
        std::uint16_t trains = 0;   // that now refer to the packet
        std::uint16_t refused = 0;  // segments that the queue had no room for
    };

    // A packet enters. Draws its fate whether it finds room or not.
    Admission admit(const SentPacket& packet, FineInstant now);

    bool waiting() const { return !queue_.empty(); }

    bool in_service() const { return serving_.has_value(); }

    // Takes the first waiting train, or what of it may go at once, into service; asserts
    // that one waits and none is in service. True when it was split: one train more
    // refers to its packet.
    bool begin();

    const Train& served() const { return *serving_; }

    // When the clock has sent the train in service.
    FineInstant finish() const { return finish_; }

    // When it may depart: its predecessor has, too.
    FineInstant eligible() const { return std::max(finish_, departed_); }

    // The train in service departs. When another clock delayed it beyond finish(), up to
    // `credit` of the delay is made good, so that two paths that share an access link
    // don't lose their rate by waiting for each other.
    Train depart(FineInstant at, Ticks credit);

    // Everything that has not departed leaves: `drop(train)` for each.
    template <typename Drop>
    void clear(Drop&& drop) {
        if (serving_) drop(*serving_);
        serving_.reset();
        while (waiting()) drop(queue_.pop_front());
        queued_ip_bytes_ = 0;
        queued_segments_ = 0;
    }

    // Waiting and in service, by the path's overhead.
    std::int64_t queued_bytes() const;

    // Puts a train that has departed into the delay line; true when it is the only one.
    bool hold(Train train, FineInstant departure);

    bool holding() const { return !line_.empty(); }

    // When the first of the delay line is to be handed over; see CatchUp.
    FineInstant next_hand_over() const { return catch_up_.hand_over(line_.front()); }

    // Hands it over, at that instant or later; lateness up to `at_once` is no hold-up.
    Train hand_over(FineInstant at, Duration at_once);

    // Nothing is in it. Then all its clocks are in the past, and a new element with its
    // shape, cap and marks would treat every later packet alike.
    bool empty() const { return !waiting() && !in_service() && !holding(); }

  private:
    struct ProtocolState {
        std::uint8_t protocol;
        DrawStream draws;
        std::uint64_t count = 0;
        bool bad = false;  // the state of burst loss
    };

    ProtocolState& state_of(std::uint8_t protocol);
    Fate draw_fate(ProtocolState& state, std::uint64_t count) const;
    std::uint16_t room_for(const SentPacket& packet) const;
    std::uint16_t at_once(std::int32_t segment_bytes) const;
    void enqueue(Train train, const ProtocolState& state, std::uint64_t count);

    FlowKey flow_;
    std::uint64_t seed_;
    PathShape shape_;
    Bandwidth cap_ = Bandwidth::unlimited();
    Ring<Train> queue_;
    std::int64_t queued_ip_bytes_ = 0;  // waiting, not in service; the same for segments
    std::int64_t queued_segments_ = 0;
    std::optional<Train> serving_;
    FineInstant clock_;     // finish of the latest, pushed on by what delayed it
    FineInstant finish_;    // of the one in service
    FineInstant departed_;  // of the latest
    FineInstant last_due_;
    Ring<Train> line_;
    CatchUp catch_up_;
    std::vector<ProtocolState> protocols_;
};

}  // namespace pleat
