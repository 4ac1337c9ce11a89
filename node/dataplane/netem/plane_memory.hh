// PlaneMemory: what the netem plane must know to go on with what it has made of the hosts'
// interfaces, in memory that outlives its process when somebody holds the descriptor. What
// netem and HTB do is the kernel's; this is which of its classes is whose, and what each was told.
//
// (1) Fresh memory is zero, and zero means "nothing yet": only what is used takes room.
// (2) What is about to be asked of the kernel is in doubt until it has answered: who goes on asks
//     for it again, which changes nothing where it was done.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>

#include "base/duration.hh"
#include "base/file_descriptor.hh"
#include "model/ids.hh"
#include "model/units.hh"
#include "node/dataplane/netem/shape.hh"
#include "node/dataplane/netem/tc_messages.hh"

namespace pleat {

// One destination of a Tcal.
struct DestinationMemory {
    std::uint32_t row = 0;  // HostId + 1 of the destination host; 0: there is none
    std::uint16_t uplink = 0;
    bool shaped = false;
    bool in_doubt = false;
    DestinationShape shape;  // when shaped
    // Counts of qdiscs that were replaced.
    std::uint64_t queue_drops = 0;
    std::uint64_t netem_drops = 0;
    std::uint64_t flushed = 0;
};

// One interface.
struct TcalMemory {
    static constexpr std::size_t kDestinations = kLastDestination - kFirstDestination + 1;
    static constexpr std::size_t kUplinks = kLastUplink - kFirstUplink + 1;

    bool made = false;  // the interface has our qdiscs
    std::uint32_t segments_before = 0;
    std::uint32_t segments = 0;  // 0: as before
    std::uint32_t destinations = 0;
    std::uint32_t uplinks = 0;
    std::array<std::uint32_t, kUplinks> uplink_links{};  // their LinkIds
    std::array<DestinationMemory, kDestinations> destination{};
};

// One row of a host: what is for another host.
struct RowMemory {
    std::int64_t cap_bits_per_second = 0;  // 0: none
    std::uint16_t destination = 0;  // in Tcal, to which packets are led; 0: the row is closed
    bool may_lose = false;          // the path has chances, or had

    Bandwidth cap() const {
        return cap_bits_per_second == 0 ? Bandwidth::unlimited()
                                        : Bandwidth::bits_per_second(cap_bits_per_second);
    }

    void set_cap(Bandwidth cap) {
        cap_bits_per_second = cap.is_unlimited() ? 0 : cap.bits_per_second();
    }
};

static_assert(std::is_trivially_copyable_v<TcalMemory> && std::is_trivially_copyable_v<RowMemory>);

// One host of this machine, mapped.
class HostMemory {
  public:
    HostMemory(const HostMemory&) = delete;
    HostMemory& operator=(const HostMemory&) = delete;
    ~HostMemory();

    // Its number among the classifier's sources.
    std::uint16_t& place() const;

    TcalMemory& tcal() const;
    std::span<RowMemory> rows() const;

    // The host is cut off.
    bool& is_cut() const;

  private:
    friend class PlaneMemory;

    struct Head;

    HostMemory(void* begin, std::size_t bytes, std::size_t hosts)
        : begin_{begin}, bytes_{bytes}, hosts_{hosts} {}

    Head& head() const;

    void* begin_;
    std::size_t bytes_;
    std::size_t hosts_;
};

class PlaneMemory {
  public:
    // Of a topology of so many hosts. Throws.
    explicit PlaneMemory(std::size_t hosts);

    // That an earlier plane has left. Throws Failure when it is another version's, or of another
    // number of hosts.
    PlaneMemory(std::size_t hosts, FileDescriptor left);

    int descriptor() const { return memory_.value(); }

    std::unique_ptr<HostMemory> of(HostId host) const;

    // By HostId of the destination: what DataPlane::give_early() has said.
    std::span<Duration> early() const;

    // For a Tcal that nobody goes on with.
    static std::unique_ptr<HostMemory> apart();

  private:
    struct Unmapped {
        std::size_t bytes;
        void operator()(void* begin) const noexcept;
    };

    std::unique_ptr<void, Unmapped> head_bytes() const;

    std::size_t hosts_;
    FileDescriptor memory_;
    std::unique_ptr<void, Unmapped> head_;
};

}  // namespace pleat
