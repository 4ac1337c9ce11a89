// Opens and closes the rows of a netem plane.
#include "node/dataplane/netem/netem_rows.hh"

#include <algorithm>
#include <atomic>
#include <set>
#include <utility>

#include "base/error.hh"
#include "node/repeating_timer.hh"

namespace pleat {

namespace {

// What a request for each row is not worth, of give_early().
constexpr Duration kWorthARequest = std::chrono::microseconds{20};

}  // namespace

NetemRows::NetemRows(boost::asio::io_context& loop, std::size_t hosts, bool with_bpf,
                     LocalHosts& locals, PlaneMemory& memory, const U32Filters& filters,
                     FlowBook& flows)
    : with_bpf_{with_bpf},
      locals_{locals},
      memory_{memory},
      filters_{filters},
      flows_{flows},
      unplugged_(hosts, false),
      flush_timer_{loop} {}

// ---- a row

void NetemRows::shape(LocalHost& local, std::uint32_t destination,
                      const std::optional<FlowShape>& shape) {
    Row& row = local.rows[destination];
    const bool open = shape && !blocked({local.host, HostId{destination}});
    if (open == row.open && row.shape == shape && (with_bpf_ || row.filtered != 0)) return;
    row.shape = shape;
    refresh(local, destination);
}

// Brings the kernel's state to the row's.
void NetemRows::refresh(LocalHost& local, std::uint32_t destination) {
    Row& row = local.rows[destination];
    const FlowKey key{local.host, HostId{destination}};
    if (!row.shape || blocked(key)) {
        if (row.open) close(local, destination, blocked(key));
        if (key.source != key.destination) filter(local, destination, kUnreachableClass);
        return;
    }
    Tcal& tcal = *local.tcal;
    const AccessShape& access = row.shape->uplink;
    const std::uint16_t uplink = tcal.shape_uplink(
        access.link.value, class_shape(access.bandwidth, access.bandwidth, access.overhead));
    row.move_behind(uplink, key.destination, tcal);
    DestinationShape wanted = destination_shape(
        earlier(row.shape->path, memory_.early()[destination]), row.cap, access.bandwidth);
    // A kernel with more than one netem on an interface refuses to duplicate (6.16, and the
    // stable kernels of summer 2025); the classifier can.
    if (with_bpf_) wanted.netem.duplicate = 0;
    tcal.shape_destination(row.destination, uplink, wanted);
    if (const auto most = segments_at_once(row.shape->path)) tcal.limit_segments(*most);
    if (row.has_chances()) {
        flows_.may_lose(key);
        local.memory->rows()[destination].may_lose = true;
    }
    filter(local, destination, class_id(row.destination));
    local.opening.push_back(destination);
}

// Leads the destination's packets to a class.
void NetemRows::filter(LocalHost& local, std::uint32_t destination, std::uint32_t classid) const {
    Row& row = local.rows[destination];
    if (with_bpf_ || row.filtered == classid) return;
    row.filtered = classid;
    filters_.lead(*local.tcal, HostId{destination}, classid);
}

void NetemRows::commit(LocalHost& local) {
    local.tcal->commit();
    for (const std::uint32_t destination : std::exchange(local.opening, {})) {
        open(local, destination);
    }
}

void NetemRows::open(LocalHost& local, std::uint32_t destination) const {
    Row& row = local.rows[destination];
    row.open = true;
    local.memory->rows()[destination].destination = row.destination;
    if (!with_bpf_) return;
    const PathShape& path = row.shape->path;
    netem_row& shared = local.source->rows[destination];
    shared.duplicate = netem_chance(path.duplicate);
    shared.overhead = row.overhead();
    // The last: now it counts.
    std::atomic_ref<std::uint32_t>{shared.classid}.store(class_id(row.destination),
                                                         std::memory_order_release);
}

void NetemRows::close(LocalHost& local, std::uint32_t destination, bool at_once) {
    Row& row = local.rows[destination];
    row.open = false;
    local.memory->rows()[destination].destination = 0;
    const FlowKey key{local.host, HostId{destination}};
    Duration rest{};
    if (with_bpf_) {
        std::atomic_ref<std::uint32_t>{local.source->rows[destination].classid}.store(
            0, std::memory_order_release);
        if (!flows_.knows(key)) return;  // nothing has ever entered
    }
    if (!at_once) {
        const NetemShape& netem = local.tcal->shape_of(row.destination).netem;
        rest = netem.delay + 4 * netem.jitter;
    }
    flushes_.emplace(monotonic_now() + rest, Flush{key, row.destination});
    wait_for_flushes();
}

// ---- what waits in rows that have closed

void NetemRows::flush_closed(LocalHost& local) {
    for (std::uint32_t i = 0; i < local.rows.size(); ++i) {
        if (local.rows[i].open) continue;
        for (const auto& [uplink, minor] : local.rows[i].former) {
            const NetemShape& netem = local.tcal->shape_of(minor).netem;
            flushes_.emplace(monotonic_now() + netem.delay + 4 * netem.jitter,
                             Flush{{local.host, HostId{i}}, minor});
        }
    }
    wait_for_flushes();
}

void NetemRows::wait_for_flushes() {
    if (flushes_.empty()) return;
    flush_timer_.expires_at(steady(flushes_.begin()->first));
    flush_timer_.async_wait(lifeline_.guard([this] { flush_due(); }));
}

void NetemRows::flush_due() {
    std::set<HostId> touched;
    while (!flushes_.empty() && flushes_.begin()->first <= monotonic_now()) {
        const Flush due = flushes_.begin()->second;
        flushes_.erase(flushes_.begin());
        LocalHost* const local = find_local(locals_, due.flow.source);
        // Opened again before: what waited then goes on.
        if (local == nullptr || local->rows[due.flow.destination.value].open) continue;
        local->tcal->drop_waiting(due.destination);
        touched.insert(due.flow.source);
    }
    for (const HostId host : touched) locals_.at(host)->tcal->commit();
    wait_for_flushes();
}

// ---- many rows

void NetemRows::set_caps(const std::vector<FlowCap>& caps) {
    std::set<HostId> touched;
    for (const FlowCap& one : caps) {
        LocalHost* const local = find_local(locals_, one.flow.source);
        if (local == nullptr) continue;
        PLEAT_ASSERT(one.flow.destination.value < local->rows.size());
        Row& row = local->rows[one.flow.destination.value];
        row.cap = one.cap;
        local->memory->rows()[one.flow.destination.value].set_cap(one.cap);
        if (!row.shape || row.destination == 0) continue;
        const PathShape& path = row.shape->path;
        local->tcal->change_bandwidth(row.destination,
                                      class_shape(std::min(path.bandwidth, one.cap),
                                                  row.shape->uplink.bandwidth, path.overhead));
        touched.insert(one.flow.source);
    }
    for (const HostId host : touched) locals_.at(host)->tcal->commit();
}

void NetemRows::give_early(const std::vector<HostId>& destinations, Duration early) {
    std::vector<std::uint32_t> changed;
    for (const HostId destination : destinations) {
        Duration& now = memory_.early()[destination.value];
        if (std::chrono::abs(early - now) < kWorthARequest) continue;
        now = early;
        changed.push_back(destination.value);
    }
    if (changed.empty()) return;
    for (const auto& [host, local] : locals_) {
        for (const std::uint32_t destination : changed) {
            if (local->rows[destination].open) refresh(*local, destination);
        }
        commit(*local);
    }
}

void NetemRows::unplug(HostId host) {
    unplugged_[host.value] = true;
    for (const auto& [source, local] : locals_) {
        if (source == host) {
            for (std::uint32_t i = 0; i < local->rows.size(); ++i) refresh(*local, i);
        } else {
            refresh(*local, host.value);
        }
        commit(*local);
    }
    flush_due();
}

void NetemRows::plug(HostId host) {
    unplugged_[host.value] = false;
    for (const auto& [source, local] : locals_) {
        if (source == host) {
            for (std::uint32_t i = 0; i < local->rows.size(); ++i) {
                if (!local->rows[i].open) refresh(*local, i);
            }
        } else if (!local->rows[host.value].open) {
            refresh(*local, host.value);
        }
        commit(*local);
    }
}

}  // namespace pleat
