// Tcal: traffic control of one interface, with the calls that the thesis' TC abstraction
// layer has ("Scalable Network Emulation", 3.1.6): init is the constructor; a destination
// is added, its bandwidth (and all else) changed in place, its usage asked for, alone or with
// all; tear down is the destructor.
//
//     HTB --+-- uplink: the access link's rate --+-- destination: the path's rate, borrowed
//           |                                    |        netem -> queue in bytes
//           |                                    +-- ...
//           +-- default class: ARP, neighbour discovery, what passes unshaped
//           +-- classes of the unknown and the unreachable: all of it is dropped
//
// (1) Requests wait until commit(), which sends only what differs from what is in force.
// (2) A destination's class borrows all from its uplink's, up to its own ceil: together
//     they never get more than the uplink's rate.
// (3) What it must know to go on with the interface in another process is in its memory, if it is
//     given one (plane_memory.hh). Where the interface has what the memory says, nothing of it
//     is made anew, and what it holds is kept.
// (4) When the interface is gone, or somebody else has removed the HTB from it, nothing more
//     is asked of the kernel: lost() says so, and usage is what it was. In the second case
//     all that the interface is given is dropped, since nothing could delay it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "node/dataplane/netem/plane_memory.hh"
#include "node/dataplane/netem/request_batch.hh"
#include "node/dataplane/netem/shape.hh"
#include "node/dataplane/netem/tc_messages.hh"
#include "node/dataplane/netem/usage.hh"

namespace pleat {

// Of one destination, since it was added. Bytes are the kernel's: layer 2, each segment.
struct DestinationUsage {
    std::uint16_t destination = 0;
    std::uint64_t bytes = 0;  // that its clock has sent
    std::uint64_t packets = 0;
    std::uint64_t queue_drops = 0;    // a GSO packet is one, here and in the next two
    std::uint64_t netem_drops = 0;    // lost, or beyond netem's own limit
    std::uint64_t flushed = 0;        // by drop_waiting()
    std::uint32_t waiting_bytes = 0;  // for the clock
    std::uint32_t waiting_packets = 0;
    std::uint32_t held_packets = 0;  // waiting and on their way
};

class Tcal {
  public:
    // Throws Failure: no such interface, not an Ethernet, somebody else's qdisc on it (named)
    // unless it is to be taken over, the kernel refuses.
    // With `memory` rule (3); somebody else's qdisc that was replaced is not put back then.
    Tcal(int network_namespace, std::string interface, bool takeover, std::uint64_t seed,
         TcalMemory* memory = nullptr);
    Tcal(const Tcal&) = delete;
    Tcal& operator=(const Tcal&) = delete;
    ~Tcal();

    const std::string& interface() const { return interface_; }

    const TcMessages& messages() const { return messages_; }

    // Rule (4).
    bool lost() const { return gone_ || removed_; }

    // Looks whether the HTB is there, for rule (4).
    bool is_shaping();
    // It is not: rule (4).
    void drop_everything();
    // Whether our program is at its egress. Throws Failure when it can't be there: somebody's own
    // qdisc is in the place of clsact.
    bool has_program();

    // Somebody has seen that the interface is gone.
    void interface_gone() { gone_ = true; }

    // By rule (3) it has made nothing anew.
    bool goes_on() const { return goes_on_; }

    // The interface stays as it is when this object goes.
    void leave() { gone_ = true; }

    // The uplink's number, new or known; its shape from the next commit() on.
    std::uint16_t shape_uplink(std::uint32_t link, const ClassShape& shape);

    // A new destination, for the packets to this host; nothing is asked of the kernel until it
    // is shaped. Throws Failure when there is no room for one more.
    std::uint16_t add_destination(HostId row = {});
    void shape_destination(std::uint16_t destination, std::uint16_t uplink,
                           const DestinationShape& shape);
    // As it was last asked for; asserts that it was shaped.
    const DestinationShape& shape_of(std::uint16_t destination) const;
    void change_bandwidth(std::uint16_t destination, const ClassShape& clock);

    // All that it holds, waiting or on its way.
    void drop_waiting(std::uint16_t destination);

    // How many segments a GSO packet may stand for: fewer each time, never more again.
    void limit_segments(std::uint32_t most);

    // A request of the caller's, in its turn; `attempt` is for its error.
    void request(const char* attempt, NetlinkMessage message);
    // One whose refusal means nothing.
    void request_quietly(NetlinkMessage message);

    // Throws Failure when the kernel refuses one.
    void commit();

    // Requests wait.
    bool dirty() const { return !batch_.empty(); }

    std::vector<DestinationUsage> usage(std::span<const std::uint16_t> destinations);
    DestinationUsage usage(std::uint16_t destination);
    // In one dump each of classes and qdiscs.
    std::vector<DestinationUsage> usage_of_all();

    // Of the classes of the unknown and of the unreachable.
    struct Dropped {
        std::uint64_t unknown = 0;
        std::uint64_t unreachable = 0;
    };

    Dropped dropped();

  private:
    struct Uplink {
        std::uint16_t minor = 0;
        std::optional<ClassShape> shape;
    };

    // Somebody else's qdisc, as the kernel described it.
    struct Foreign {
        std::string kind;
        std::uint32_t handle = 0;
        std::vector<char> options;
    };

    bool has_htb();
    std::string kind_at_clsact();  // empty: none
    bool go_on();
    void inspect(bool takeover);
    void make_base();
    void restore();
    void netem_of(std::uint16_t minor, const DestinationMemory& destination);
    void queue_of(std::uint16_t minor, const DestinationMemory& destination);
    DestinationMemory& destination(std::uint16_t minor);
    void doubt(std::uint16_t minor);
    void add_up(DestinationUsage& usage, const TcStatistics& one) const;
    void complete(DestinationUsage& usage) const;

    std::string interface_;
    RouteSocket socket_;
    TcMessages messages_;
    std::uint64_t seed_;
    std::unique_ptr<HostMemory> own_memory_;  // when it is given none
    TcalMemory& memory_;
    bool gone_ = false;
    bool removed_ = false;  // the HTB, by somebody else
    bool goes_on_ = false;
    bool own_clsact_ = true;
    std::optional<Foreign> foreign_;
    Dropped dropped_;                     // as last read
    std::vector<bool> to_tell_again_;     // destinations of (3) of which the kernel may know less
    std::vector<std::uint16_t> doubted_;  // until the commit
    std::map<std::uint32_t, Uplink> uplinks_;
    RequestBatch batch_;
    std::vector<const char*> attempts_;  // of the batch; nullptr: quiet
};

}  // namespace pleat
