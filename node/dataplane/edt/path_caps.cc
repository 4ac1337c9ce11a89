#include "node/dataplane/edt/path_caps.hh"

#include <atomic>

#include "base/error.hh"
#include "node/dataplane/edt/rows.hh"

namespace pleat {

PathCaps::PathCaps(std::span<std::uint64_t> caps, std::size_t destinations)
    : caps_{caps},
      destinations_{static_cast<std::uint32_t>(destinations)},
      cut_(destinations),
      gone_(destinations) {
    for (std::uint32_t path = 0; path < caps.size(); ++path) {
        if (caps[path] != 0 && caps[path] != EDT_BLOCKED) wanted_[path] = caps[path];
    }
}

void PathCaps::name_source(std::uint32_t place, HostId host) {
    PLEAT_ASSERT(place <= sources_.size());
    if (place == sources_.size()) sources_.push_back(host);
    sources_[place] = host;
    if (blocked(host)) write_all_of(host);
}

void PathCaps::set(std::uint32_t place, HostId destination, Bandwidth cap) {
    const std::uint32_t path = place * destinations_ + destination.value;
    if (cap.is_unlimited()) {
        wanted_.erase(path);
    } else {
        wanted_[path] = time_per_byte(cap);
    }
    write(place, destination.value);
}

Bandwidth PathCaps::cap(std::uint32_t place, HostId destination) const {
    const auto found = wanted_.find(place * destinations_ + destination.value);
    return found == wanted_.end() ? Bandwidth::unlimited() : rate_of(found->second);
}

void PathCaps::cut(HostId host) {
    cut_[host.value] = true;
    write_all_of(host);
}

void PathCaps::connect(HostId host) {
    cut_[host.value] = false;
    write_all_of(host);
}

void PathCaps::host_gone(HostId host) {
    gone_[host.value] = true;
    write_all_of(host);
}

void PathCaps::host_there(HostId host) {
    gone_[host.value] = false;
    write_all_of(host);
}

void PathCaps::write(std::uint32_t place, std::uint32_t destination) {
    const std::uint32_t path = place * destinations_ + destination;
    std::uint64_t value = EDT_BLOCKED;
    if (!blocked(HostId{destination}) && !blocked(sources_[place])) {
        const auto found = wanted_.find(path);
        value = found == wanted_.end() ? 0 : found->second;
    }
    // The program reads it meanwhile.
    std::atomic_ref{caps_[path]}.store(value, std::memory_order_relaxed);
}

void PathCaps::write_all_of(HostId host) {
    for (std::uint32_t place = 0; place < sources_.size(); ++place) {
        write(place, host.value);
        if (sources_[place] != host) continue;
        for (std::uint32_t d = 0; d < destinations_; ++d) write(place, d);
    }
}

}  // namespace pleat
