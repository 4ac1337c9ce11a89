// PacketLoop: the thread that moves packets: it reads what hosts send from their TUN
// devices, gives it to the engine, and writes what the engine lets through.
//
// (1) It owns descriptors, packets and engine; the rest of the program talks to it through
//     two mailboxes and reads its counters.
// (2) It wakes for packets, commands, and the next computed instant; periodically only with
//     other machines, to greet them.
// (3) It never frees a table or closes a device, for both can take milliseconds: it
//     hands them back.
// (4) With real-time priority it gives way to others that have it after each turn: with more
//     packets than it can carry it would never sleep, and shares, by which they become fewer,
//     would not be computed.
#pragma once

#include <exception>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "base/mailbox.hh"
#include "model/addressing.hh"
#include "node/dataplane/data_plane.hh"
#include "node/dataplane/engine.hh"
#include "node/dataplane/lateness.hh"
#include "node/dataplane/packet_pool.hh"
#include "node/dataplane/tunnel/tunnel.hh"
#include "node/dataplane/wake_planner.hh"

namespace pleat {

namespace command {

struct AddHost {
    HostPort port;
};

struct RemoveHost {
    HostId host;
};

struct Activate {
    std::shared_ptr<const PathTable> table;
    Instant when;
};

struct SetCaps {
    std::vector<FlowCap> caps;
};

struct Cut {
    HostId host;
};

struct Connect {
    HostId host;
};

struct SetUnderlayLatency {
    MachineNumber machine;
    Duration latency;
};

struct Stop {};

}  // namespace command

using PlaneCommand =
    std::variant<command::AddHost, command::RemoveHost, command::Activate, command::SetCaps,
                 command::Cut, command::Connect, command::SetUnderlayLatency, command::Stop>;

// What the loop sends back: reports, what the main thread is to free, and why it failed.
using LoopReport = std::variant<FlowStarted, TableActivated, FileDescriptor,
                                std::shared_ptr<const PathTable>, std::exception_ptr>;

// Written by the loop, read by the main thread.
struct PlaneTally {
    explicit PlaneTally(std::size_t peers) : tunnel{peers} {}

    std::atomic<std::uint64_t> packets_in{0};
    std::atomic<std::uint64_t> packets_out{0};
    std::atomic<std::uint64_t> bytes_out{0};
    std::atomic<std::uint64_t> queue_drops{0};
    std::atomic<std::uint64_t> loss_drops{0};
    std::atomic<std::uint64_t> unreachable_drops{0};
    std::atomic<std::uint64_t> unknown_destination_drops{0};
    std::atomic<std::uint64_t> malformed_drops{0};
    std::atomic<std::uint64_t> write_drops{0};
    Lateness delivery_lateness;
    std::atomic<std::int64_t> owed_ns{0};
    TunnelTally tunnel;
};

class PacketLoop : private Exit {
  public:
    // All of them must outlive it.
    PacketLoop(const PathFolder& folder, AddressPlan addresses, std::uint64_t seed,
               Mailbox<PlaneCommand>& commands, Mailbox<LoopReport>& reports, PlaneTally& tally,
               std::optional<TunnelSettings> tunnel);

    // Until a Stop. Called on the loop's own thread.
    void run();

  private:
    struct Prepared {
        std::shared_ptr<const PathTable> table;
        Instant when;
    };

    void deliver(const Train& train, HostId destination) override;

    void hold(std::uint32_t packet) override { pool_.hold(packet); }

    void release(std::uint32_t packet) override { pool_.release(packet); }

    void flow_started(FlowKey flow, Instant at,
                      const std::shared_ptr<const FlowCounters>& counters) override;

    void turn();
    std::optional<Instant> next_switch() const;
    void switch_tables(Instant now);
    void handle_commands();
    void apply(command::AddHost& add);
    void apply(const command::RemoveHost& remove);
    void apply(command::Activate& activate);
    void apply(const command::SetCaps& set);
    void apply(const command::Cut& cut);
    void apply(const command::Connect& connect);
    void apply(const command::SetUnderlayLatency& set);
    void apply(const command::Stop& stop);
    void read_port(HostId host, Instant arrival);
    void drain_unread(int tun);
    void accept(HostId source, std::uint32_t packet, Instant arrival);
    bool accept_remote(const Tunnel::Arrival& arrived, Instant arrival);
    std::optional<SentPacket> describe(std::uint32_t packet, const IpHeader& ip);
    bool reaches(HostId host) const;
    void abandon(HostId host);
    void write_train(const Train& train, const PacketPool::Packet& packet, HostId destination);
    void write_corrupted(const Train& train, const PacketPool::Packet& packet, HostId destination);
    void write(HostId source, HostId destination, std::span<const iovec> pieces,
               const Train& train);
    void publish();

    AddressPlan addresses_;
    std::size_t hosts_;
    const PathFolder& folder_;
    Mailbox<PlaneCommand>& commands_;
    Mailbox<LoopReport>& reports_;
    PlaneTally& tally_;
    PacketPool pool_;
    Engine engine_;
    WakePlanner planner_;
    FileDescriptor epoll_;
    std::vector<FileDescriptor> tuns_;  // by HostId; empty: not here
    std::optional<Tunnel> tunnel_;
    std::optional<HostId> outside_;   // where packets go that are for no host
    std::vector<Prepared> prepared_;  // by instant
    std::shared_ptr<const PathTable> table_;
    std::vector<std::uint8_t> scratch_;
    bool stopped_ = false;
};

}  // namespace pleat
