// PathCaps: what flows may use of their paths, as the program's array has it, with the paths
// of hosts that are cut off or gone blocked.
//
// (1) A path is blocked while its source or its destination is cut, or gone; its cap is kept
//     meanwhile, and may change.
// (2) What is there at first are the caps that an earlier owner left.
// (3) Hosts that are not said to be gone are there: those of other machines.
#pragma once

#include <span>
#include <unordered_map>
#include <vector>

#include "model/ids.hh"
#include "model/units.hh"

namespace pleat {

class PathCaps {
  public:
    // `caps`: by path, source by source; written here alone.
    PathCaps(std::span<std::uint64_t> caps, std::size_t destinations);

    // The source of this place is this host from now on.
    void name_source(std::uint32_t place, HostId host);

    void set(std::uint32_t place, HostId destination, Bandwidth cap);
    Bandwidth cap(std::uint32_t place, HostId destination) const;
    void cut(HostId host);
    void connect(HostId host);

    void host_gone(HostId host);
    void host_there(HostId host);

    bool is_cut(HostId host) const { return cut_[host.value]; }

  private:
    void write(std::uint32_t place, std::uint32_t destination);
    void write_all_of(HostId host);

    bool blocked(HostId host) const { return cut_[host.value] || gone_[host.value]; }

    std::span<std::uint64_t> caps_;
    std::uint32_t destinations_;
    std::unordered_map<std::uint32_t, std::uint64_t> wanted_;  // by path; others have none
    std::vector<bool> cut_;                                    // by HostId
    std::vector<bool> gone_;                                   // by HostId
    std::vector<HostId> sources_;                              // by place
};

}  // namespace pleat
