// DataPlane: enforces path tables and shares on the traffic of this machine's hosts.
// Every plane is the same machine, one element a path:
//     departure = max(now, next_free) + bytes/rate
//     delivery  = departure + delay + jitter
// with tail drop when the backlog exceeds the queue and loss by a seeded draw.
//
// (1) A flow's rate is min(path's bandwidth, its cap). Without a cap: the path's.
// (2) A prepared table takes effect at its instant, for all paths at once, by the
//     plane's own timer; the plane then reports a TableActivated.
// (3) Bandwidth applies to packets that have not begun to depart; delay, jitter and
//     loss to packets that enter afterwards; order is kept. Unreachable: waiting packets
//     are dropped, departed ones arrive. Counters and virtual clocks survive.
// (4) A flow's first packet after idleness (no packet for 100 ms) is reported at once.
// (5) All functions are called from the node's main thread; counters may be read there
//     at any time. A plane whose packets the kernel moves brings them up to date when it
//     is told to: read_counters().
// (6) A plane whose packets the kernel moves can be taken over: what is in force on the hosts'
//     interfaces stays in force without a process, and a plane that is opened with what
//     it leaves() goes on with it. All hosts are to be added again, then the tables: that of now
//     with the instant at which it came into force, and those to come. What came into force
//     meanwhile is reported as if it had been here.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "base/clock.hh"
#include "base/file_descriptor.hh"
#include "model/addressing.hh"
#include "model/path.hh"
#include "model/path_table.hh"
#include "model/scenario.hh"
#include "node/dataplane/tunnel/settings.hh"

namespace pleat {

// What a flow has done since it was first seen; written by the plane, read by the
// meter. Bytes are layer-2 bytes (by the path's overhead) that departed the path's
// virtual clock: after tail drop, before loss draws.
struct FlowCounters {
    std::atomic<std::uint64_t> bytes{0};
    std::atomic<std::uint64_t> packets{0};  // segments that a GSO packet stands for
    std::atomic<std::uint64_t> queue_drops{0};
    std::atomic<std::uint64_t> loss_drops{0};
    std::atomic<std::uint64_t> unreachable_drops{0};
    std::atomic<std::int64_t> queued_bytes{0};  // now waiting or departing
    // Time in which at least one packet waited behind another of its path, in ns: the
    // sum of past intervals, and when the present one began (0: none).
    std::atomic<std::int64_t> waited_ns{0};
    std::atomic<std::int64_t> waiting_since_ns{0};  // CLOCK_MONOTONIC
    std::atomic<std::int64_t> last_arrival_ns{0};   // CLOCK_MONOTONIC; bytes that entered
};

struct FlowStarted {
    FlowKey flow;
    Instant at;
    // Lives as long as anyone holds it. Mostly the same object each time a flow starts anew;
    // after long silence it may be another one, which counts from zero.
    std::shared_ptr<const FlowCounters> counters;
    // Of a flow that an earlier plane of the run knew, the first time: its cap, which is in
    // force. Its counters go on from what they were.
    std::optional<Bandwidth> left_cap{};
};

struct TableActivated {
    std::uint32_t version = 0;
    EpochId epoch;
    Instant planned;
    Instant actual;
};

using PlaneReport = std::variant<FlowStarted, TableActivated>;

// A host's packets come to this process: IFF_TUN | IFF_NO_PI | IFF_VNET_HDR, offloads set,
// non-blocking.
struct TunDevice {
    FileDescriptor descriptor;
};

// A host's packets stay in the kernel; they are shaped where they leave this interface.
struct KernelInterface {
    FileDescriptor network_namespace;
    std::string name;
    // What somebody else put there (a root qdisc, a clsact) is replaced or shared, and put
    // back at the end; without this it is refused.
    bool takeover = false;
};

using Attachment = std::variant<TunDevice, KernelInterface>;

// The emulated network interface of one of this machine's hosts. A plane takes ports of
// its own kind (DataPlane::attaches_to) and asserts that.
struct HostPort {
    HostId host;
    Attachment attachment;
    std::uint32_t ipv4 = 0;               // host byte order
    std::array<std::uint8_t, 16> ipv6{};  // network byte order
    // IPv4 packets to addresses that are no host's go to this one (at most one of a run).
    bool outside = false;
};

struct FlowCap {
    FlowKey flow;
    Bandwidth cap;
};

// Fidelity and accounting of the whole plane since it started.
struct PlaneTotals {
    std::uint64_t packets_in = 0;
    std::uint64_t packets_out = 0;
    std::uint64_t bytes_out = 0;
    std::uint64_t queue_drops = 0;
    std::uint64_t loss_drops = 0;
    std::uint64_t unreachable_drops = 0;
    std::uint64_t unknown_destination_drops = 0;  // also broadcast and multicast
    std::uint64_t malformed_drops = 0;
    std::uint64_t write_drops = 0;  // the host's own interface refused: nobody asked for these
    // Interfaces that went away, could not be changed when they had to be, or whose shaping
    // somebody else has removed: each once.
    std::uint64_t interfaces_lost = 0;
    TunnelTotals tunnel{};
    // Lateness of deliveries against their computed instants. Kernel planes have none to tell:
    // there it is the kernel that delivers.
    Duration delivery_lateness_p50{};
    Duration delivery_lateness_p99{};
    Duration delivery_lateness_max{};
};

// The hosts are machines as they are: what goes to no host of the run is not touched, nor are TCP
// and UDP of these ports. Ports are taken over; see KernelInterface.
struct BareMetal {
    std::vector<std::uint16_t> spared_ports{};
};

// What every plane is opened with. The folder (and its topology) must outlive the plane,
// the plane the loop's last run; `report` is called from the loop.
struct PlaneContext {
    const PathFolder& folder;
    AddressPlan addresses;
    std::uint64_t seed = 0;
    std::string run;  // mark of everything that is made
    std::function<void(PlaneReport)> report;
    boost::asio::io_context& loop;
    // How many hosts this machine may have at most; 0: all of the topology. Kernel planes
    // make their arrays as large as that.
    std::size_t local_hosts = 0;
    std::optional<TunnelSettings> tunnel{};  // to other machines; for planes that have one
    std::optional<BareMetal> bare_metal{};   // for kernel planes
    // DataPlane::leaves() of an earlier plane of this run, whose process is gone: rule (6).
    std::map<std::string, FileDescriptor> left{};
};

enum class AttachmentKind : std::uint8_t { tun_device, kernel_interface };

class DataPlane {
  public:
    virtual ~DataPlane() = default;

    virtual std::string_view name() const = 0;

    virtual AttachmentKind attaches_to() const = 0;

    // What must outlive this process so that another one can take over, by name: whoever holds
    // it gives it to the next plane. Nothing: there is nothing, or no way.
    virtual std::map<std::string, int> leaves() const { return {}; }

    virtual void add_host(HostPort port) = 0;
    virtual void remove_host(HostId host) = 0;

    // Puts a table in force at `when` (at once when that is past). Of two with the same
    // instant the later call wins (so a later version of an epoch takes the place of one that is
    // prepared); a prepared one with the same (version, epoch) is replaced.
    virtual void activate_at(std::shared_ptr<const PathTable> table, Instant when) = 0;

    // New caps for these flows; others keep theirs.
    virtual void set_caps(std::vector<FlowCap> caps) = 0;

    // Brings the counters of all flows up to `now`; called before each look at them.
    virtual void read_counters(Instant now) = 0;

    // A power failure of `host`: waiting packets from and to it are dropped and nothing
    // passes until connect().
    virtual void cut(HostId host) = 0;
    virtual void connect(HostId host) = 0;

    virtual PlaneTotals totals() const = 0;

    // By how much the latest of the deliveries since the last call was late. Nothing: there were
    // none, or it is the kernel that delivers.
    virtual std::optional<Duration> take_worst_lateness() { return {}; }

    // What full links have sent less than they could have, as time at their own rates, since the
    // thread that moves packets was held up: they make it good (tun: NetworkTime). So between two
    // calls they were as fast as if that much less (or, of a negative difference, more) time had
    // passed.
    virtual Duration owed() const { return {}; }

    // The machines of PlaneContext::tunnel, in its order.
    virtual std::vector<TunnelPeerState> peers() const { return {}; }

    // The way to this machine takes so long, one way, as measured since; for packets that have not
    // departed.
    virtual void set_underlay_latency(MachineNumber /*machine*/, Duration /*latency*/) {}

    // What goes to these hosts is given on so much before it is due, at the earliest at once: for
    // a way behind a kernel plane that takes so long (greeting_plane.hh).
    virtual void give_early(const std::vector<HostId>& /*destinations*/, Duration /*early*/) {}
};

}  // namespace pleat
