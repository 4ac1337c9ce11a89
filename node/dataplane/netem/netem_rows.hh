// NetemRows: (1) a row is (host of this machine, destination). It is open when its packets
// may pass: a path leads there and neither end is unplugged (cut off or removed). Rows begin
// closed.
// (2) A row opens after the kernel has its class, and closes before anything else is done
// about it. With BPF both are one store.
// (3) What waits when a row closes is dropped: when no path leads there any more, after the
// path's delay, for deliveries are those of a clock before the delay, and what had departed
// then has arrived; when a host is cut off, at once.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/lifeline.hh"
#include "node/dataplane/data_plane.hh"
#include "node/dataplane/netem/flow_book.hh"
#include "node/dataplane/netem/local_host.hh"
#include "node/dataplane/netem/plane_memory.hh"
#include "node/dataplane/netem/u32_filters.hh"

namespace pleat {

class NetemRows {
  public:
    // All must outlive it. `hosts`: of the topology.
    NetemRows(boost::asio::io_context& loop, std::size_t hosts, bool with_bpf, LocalHosts& locals,
              PlaneMemory& memory, const U32Filters& filters, FlowBook& flows);

    // What a table wants of a row; nothing: no path. It is in force after commit().
    void shape(LocalHost& local, std::uint32_t destination, const std::optional<FlowShape>& shape);
    void commit(LocalHost& local);

    void set_caps(const std::vector<FlowCap>& caps);
    void give_early(const std::vector<HostId>& destinations, Duration early);

    // Of any host of the topology, here or elsewhere.
    void unplug(HostId host);
    void plug(HostId host);

    // What waits in rows that an earlier plane has closed: rule (3).
    void flush_closed(LocalHost& local);

  private:
    struct Flush {
        FlowKey flow;
        std::uint16_t destination = 0;
    };

    bool blocked(FlowKey flow) const {
        return unplugged_[flow.source.value] || unplugged_[flow.destination.value];
    }

    void refresh(LocalHost& local, std::uint32_t destination);
    void filter(LocalHost& local, std::uint32_t destination, std::uint32_t classid) const;
    void open(LocalHost& local, std::uint32_t destination) const;
    void close(LocalHost& local, std::uint32_t destination, bool at_once);
    void wait_for_flushes();
    void flush_due();

    bool with_bpf_;
    LocalHosts& locals_;
    PlaneMemory& memory_;
    const U32Filters& filters_;  // without BPF
    FlowBook& flows_;
    std::vector<bool> unplugged_;  // by HostId
    std::multimap<Instant, Flush> flushes_;
    boost::asio::steady_timer flush_timer_;
    Lifeline lifeline_;
};

}  // namespace pleat
