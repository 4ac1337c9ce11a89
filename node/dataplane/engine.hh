// Engine: the emulated network of one machine's hosts, as a machine without I/O that is
// told the time. Packets come in by arrive(); they leave through an Exit, at computed
// instants, while advance() runs.
//
//     host --arrive()--> path element --> uplink --> delay line --> downlink --> Exit
//
// A packet for another machine's host leaves at the end of the delay line; there it enters
// before the downlink: enter().
//
// (1) Events happen at their computed instants and in their order, however late advance()
//     is called. Only where it was held up a link's time stands still meanwhile (NetworkTime), and
//     what has been late is handed over in such a way that receivers do not see a link exceeded
//     (CatchUp). Times are the machine's but for those of paths' clocks and uplinks.
// (2) A flow comes to be with its first packet; one that is silent costs no event.
// (3) A flow that has been silent for 30 s is forgotten, but for how far its draws have
//     come and its cap: when it comes back it meets what it would have met. Its counters
//     then begin anew, in another object.
// (4) When the paths change, flows that have packets waiting take their new shape at
//     once, the others with their next packet.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "model/network_time.hh"
#include "node/dataplane/access_link.hh"
#include "node/dataplane/data_plane.hh"
#include "node/dataplane/timer_heap.hh"

namespace pleat {

// Where packets leave the engine. Trains refer to packets: a packet enters with one
// reference, and each call here adds one or ends one.
class Exit {
  public:
    virtual ~Exit() = default;

    // The train reaches its destination; ends its reference. False: it did not fit in.
    virtual void deliver(const Train& train, HostId destination) = 0;
    virtual void hold(std::uint32_t packet) = 0;     // one reference more
    virtual void release(std::uint32_t packet) = 0;  // one less
    virtual void flow_started(FlowKey flow, Instant at,
                              const std::shared_ptr<const FlowCounters>& counters) = 0;
};

class Engine {
  public:
    struct Drops {
        std::uint64_t queue = 0;
        std::uint64_t loss = 0;
        std::uint64_t unreachable = 0;
    };

    // `exit` must outlive it. Until the first switch_paths() nothing is reachable.
    Engine(std::uint64_t seed, std::size_t hosts, Exit& exit);

    // A packet enters; asserts that its flow's hosts exist and differ.
    void arrive(FlowKey flow, const SentPacket& packet, FineInstant now);

    // A packet comes from the engine of another machine, where it left: only the downlink of its
    // destination is before it. It is not counted as this machine's flow.
    void enter(FlowKey flow, const SentPacket& packet, FineInstant now);

    // The host is another machine's, `underlay` away: what goes there leaves so much earlier than
    // it is due, if that is not before it departs.
    void set_remote(HostId host, Duration underlay);

    void switch_paths(ShapeOfFlow shape_of, FineInstant now);
    void set_cap(FlowKey flow, Bandwidth cap, FineInstant now);
    void cut(HostId host, FineInstant now);

    void connect(HostId host) { cut_[host.value] = false; }

    // When something will happen next by itself.
    std::optional<FineInstant> next() const;

    // Makes happen what is due until `now`.
    void advance(FineInstant now);

    const Drops& drops() const { return drops_; }  // in segments

    // See DataPlane::owed().
    Duration owed() const { return std::chrono::floor<Duration>(time_.owed()); }

    // Flows that it has not forgotten.
    std::size_t flows() const { return flow_index_.size(); }

  private:
    static constexpr std::uint32_t kNone = 0xffffffff;

    struct Flow {
        PathElement element;
        std::shared_ptr<FlowCounters> counters;
        TimerHeap::TimerId service;
        TimerHeap::TimerId delivery;
        std::uint32_t uplink = kNone;
        std::uint32_t downlink = kNone;
        std::uint32_t asked = kNone;  // the uplink at which its train waits
        Ticks uplink_time{};          // of the train in service
        DataSize downlink_queue = DataSize::bytes(0);
        std::uint32_t version = 0;  // of the paths that it knows
        bool reachable = false;
        Ticks behind{};  // the network's time, when its latest train departed
        std::uint32_t backlog_place = kNone;
        std::uint32_t at_downlink = 0;  // trains that wait there
        std::optional<FineInstant> last_arrival{};
    };

    struct Place {
        std::unique_ptr<Flow> flow;  // nothing: free
        TimerHeap::TimerId service;
        TimerHeap::TimerId delivery;
    };

    template <typename Clock>
    struct Access {
        Clock clock;
        TimerHeap::TimerId timer;
    };

    enum class Event : std::uint8_t { service, delivery, uplink, downlink };

    struct TimerOwner {
        Event event;
        std::uint32_t index;
    };

    struct Timers {
        TimerHeap heap;
        std::vector<TimerOwner> owners{};  // by TimerId
    };

    Flow& flow_at(FlowIndex index) { return *places_[index].flow; }

    FlowIndex find_or_create(FlowKey flow);
    FlowIndex free_place();
    void forget_some();
    bool is_silent(const Flow& flow) const;
    void forget(FlowIndex index);
    static TimerHeap::TimerId add_timer(Timers& timers, Event event, std::uint32_t index);
    std::uint32_t uplink_of(const AccessShape& shape);
    std::uint32_t downlink_of(const AccessShape& shape);
    void refresh(FlowIndex index);
    void note_arrival(Flow& flow);
    void note_queue(FlowIndex index);
    bool is_cut(FlowKey flow) const;

    std::optional<FineInstant> next_of_links() const;
    void fire_next(Timers& timers);
    void fire(TimerOwner owner);
    void serve(FlowIndex index);
    void ask_to_depart(FlowIndex index);
    void depart(FlowIndex index);
    void travel(FlowIndex index, const Train& train);
    void hand_over(FlowIndex index);
    void reach(FlowIndex index, const Train& train);
    void deliver(const Flow& flow, const Train& train);
    void drop_waiting(FlowIndex index);
    void arm(std::uint32_t uplink);
    void arm_downlink(std::uint32_t downlink);

    std::uint64_t seed_;
    Exit& exit_;
    ShapeOfFlow shape_of_;
    std::uint32_t version_ = 0;
    FineInstant now_;           // nothing that is due before this is left to do
    FineInstant told_;          // the latest time that it was told
    bool handed_over_ = false;  // since it was told
    Punctuality punctuality_;
    NetworkTime time_;
    FineInstant link_now_;       // now_ in the network's time
    Timers links_;               // of paths' clocks and uplinks, in the network's time
    Timers deliveries_;          // of delay lines and downlinks
    std::vector<Place> places_;  // by FlowIndex
    std::vector<FlowIndex> free_places_;
    FlowIndex next_look_ = 0;  // where the search for silent flows goes on
    std::unordered_map<FlowKey, FlowIndex> flow_index_;
    std::unordered_map<FlowKey, Bandwidth> early_caps_;     // of flows that are yet to come
    std::unordered_multimap<FlowKey, DrawMark> forgotten_;  // one of each protocol
    std::vector<FlowIndex> backlog_;                        // flows with packets not departed
    std::deque<Access<Uplink>> uplinks_;
    std::deque<Access<Downlink>> downlinks_;
    std::unordered_map<LinkId, std::uint32_t> uplink_index_;
    std::unordered_map<LinkId, std::uint32_t> downlink_index_;
    std::vector<std::optional<Duration>> remote_;  // by HostId: how far away; nothing: it is here
    std::vector<bool> cut_;                        // by HostId
    Drops drops_;
};

}  // namespace pleat
