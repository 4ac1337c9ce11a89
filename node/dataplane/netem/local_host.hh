// LocalHost: one of this machine's hosts in the netem plane: its interface, and a row for each
// destination.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "node/dataplane/flow_shape.hh"
#include "node/dataplane/netem/classifier.hh"
#include "node/dataplane/netem/flow_account.hh"
#include "node/dataplane/netem/shaping_guard.hh"
#include "node/dataplane/netem/tcal.hh"

namespace pleat {

// One destination of one host.
struct Row {
    std::optional<FlowShape> shape;
    Bandwidth cap = Bandwidth::unlimited();
    bool open = false;
    std::uint16_t destination = 0;  // in Tcal; 0: none yet
    std::uint16_t uplink = 0;       // in Tcal, that the destination is behind
    std::uint32_t filtered = 0;     // without BPF: the class that filters lead to
    // Behind other uplinks, in earlier tables: (uplink, destination).
    std::vector<std::pair<std::uint16_t, std::uint16_t>> former;

    bool has_chances() const { return shape && shape->path.has_chances(); }

    // What each packet counts beside its layer-2 length.
    std::int32_t overhead() const {
        return shape ? shape->path.overhead.bytes_per_packet - Overhead::kEthernet : 0;
    }

    // Makes the destination one that is behind this uplink: that of an earlier table, or a new one.
    void move_behind(std::uint16_t other_uplink, HostId to, Tcal& tcal);
};

struct LocalHost {
    HostId host{};
    std::uint16_t place = 0;
    std::unique_ptr<HostMemory> memory;
    std::unique_ptr<Tcal> tcal;
    std::unique_ptr<ShapingGuard> guard;         // after the Tcal: ends before it
    std::unique_ptr<Classifier::Source> source;  // with BPF
    std::vector<Row> rows;
    std::vector<std::uint32_t> opening;  // rows, after the next commit
    // Without BPF: what each destination had done at the last look, and when that changed.
    std::vector<std::pair<std::uint64_t, Instant>> seen;

    // Rows as the memory says that they are.
    void recall_rows();

    // What the classifier has counted of the row.
    EntryCount entered(std::uint32_t destination) const;

    // What the kernel has counted of these rows, in their order, in one exchange with it.
    std::vector<DestinationUsage> usage(const std::vector<std::uint32_t>& destinations);

    // Without BPF: the rows that something came for since the last look, after `idle` of nothing.
    std::vector<std::uint32_t> started(Instant now, Duration idle);
};

using LocalHosts = std::map<HostId, std::unique_ptr<LocalHost>>;

// Nothing: it is not here.
inline LocalHost* find_local(const LocalHosts& locals, HostId host) {
    const auto found = locals.find(host);
    return found == locals.end() ? nullptr : found->second.get();
}

}  // namespace pleat
