#include "node/dataplane/netem/local_host.hh"

#include <algorithm>
#include <atomic>
#include <unordered_map>

namespace pleat {

void Row::move_behind(std::uint16_t other_uplink, HostId to, Tcal& tcal) {
    if (destination != 0 && uplink == other_uplink) return;
    if (destination != 0) former.emplace_back(uplink, destination);
    const auto known =
        std::ranges::find(former, other_uplink, [](const auto& one) { return one.first; });
    if (known == former.end()) {
        destination = tcal.add_destination(to);
    } else {
        destination = known->second;
        former.erase(known);
    }
    uplink = other_uplink;
}

void LocalHost::recall_rows() {
    const TcalMemory& known = memory->tcal();
    for (std::size_t i = 0; i < known.destinations; ++i) {
        const DestinationMemory& one = known.destination[i];
        if (one.row == 0 || one.row > rows.size() || !one.shaped) continue;
        const auto minor = static_cast<std::uint16_t>(kFirstDestination + i);
        Row& row = rows[one.row - 1];
        if (memory->rows()[one.row - 1].destination == minor) {
            row.open = true;
            row.destination = minor;
            row.uplink = one.uplink;
        } else {
            row.former.emplace_back(one.uplink, minor);
        }
    }
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i].cap = memory->rows()[i].cap();
}

EntryCount LocalHost::entered(std::uint32_t destination) const {
    if (!source) return {};
    const netem_row& row = source->rows[destination];
    const auto read = [](const __u64& field) {
        return static_cast<std::uint64_t>(std::atomic_ref<__u64>{const_cast<__u64&>(field)}.load());
    };
    return EntryCount{
        .known = true,
        .bytes = read(row.bytes),
        .packets = read(row.packets),
        .duplicates = read(row.duplicates),
        .duplicate_bytes = read(row.duplicate_bytes),
        .unreachable_drops = read(row.unreachable_drops),
        .last_arrival = Instant{Duration{static_cast<std::int64_t>(read(row.last_arrival_ns))}}};
}

std::vector<DestinationUsage> LocalHost::usage(const std::vector<std::uint32_t>& destinations) {
    std::vector<std::uint16_t> asked;
    for (const std::uint32_t one : destinations) {
        const Row& row = rows[one];
        if (row.destination != 0) asked.push_back(row.destination);
        for (const auto& [uplink, former] : row.former) asked.push_back(former);
    }
    std::unordered_map<std::uint16_t, DestinationUsage> counted;
    for (const DestinationUsage& one : tcal->usage(asked)) counted[one.destination] = one;
    std::vector<DestinationUsage> sums;
    sums.reserve(destinations.size());
    for (const std::uint32_t wanted : destinations) {
        const Row& row = rows[wanted];
        DestinationUsage& sum = sums.emplace_back(counted[row.destination]);
        for (const auto& [uplink, former] : row.former) {
            const DestinationUsage& one = counted[former];
            sum.bytes += one.bytes;
            sum.packets += one.packets;
            sum.queue_drops += one.queue_drops;
            sum.netem_drops += one.netem_drops;
            sum.flushed += one.flushed;
            sum.waiting_bytes += one.waiting_bytes;
            sum.waiting_packets += one.waiting_packets;
            sum.held_packets += one.held_packets;
        }
    }
    return sums;
}

std::vector<std::uint32_t> LocalHost::started(Instant now, Duration idle) {
    std::unordered_map<std::uint16_t, std::uint64_t> done;
    for (const DestinationUsage& one : tcal->usage_of_all()) {
        done[one.destination] = one.packets + one.held_packets + one.queue_drops + one.netem_drops;
    }
    std::vector<std::uint32_t> found;
    for (std::uint32_t i = 0; i < rows.size(); ++i) {
        if (rows[i].destination == 0) continue;
        auto& [count, when] = seen[i];
        if (done[rows[i].destination] == count) continue;
        count = done[rows[i].destination];
        if (now - std::exchange(when, now) >= idle) found.push_back(i);
    }
    return found;
}

}  // namespace pleat
