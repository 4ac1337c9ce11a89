#include "model/host_status.hh"

#include "model/mixed_hash.hh"

namespace pleat {

std::uint64_t digest_with(std::uint64_t hash, const HostStatuses& statuses) {
    for (const auto& [host, status] : statuses) {
        hash = mixed(hash, std::uint64_t{host.value} << 32 | status.events_done);
        hash = mixed(hash, static_cast<std::uint64_t>(status.state) << 1 | (status.ready ? 1 : 0));
    }
    return hash;
}

}  // namespace pleat
