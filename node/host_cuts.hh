// HostCuts: which of this node's hosts are cut from the network, and why: one has crashed, or all
// of them are fenced (node/announced_changes).
#pragma once

#include <set>
#include <vector>

#include "node/dataplane/data_plane.hh"

namespace pleat {

class HostCuts {
  public:
    // Both must outlive it.
    HostCuts(DataPlane& plane, const std::vector<HostId>& hosts) : plane_{plane}, hosts_{hosts} {}

    void crash(HostId host) {
        crashed_.insert(host);
        plane_.cut(host);
    }

    void revive(HostId host) {
        crashed_.erase(host);
        if (!fenced_) plane_.connect(host);
    }

    void fence(bool closed) {
        fenced_ = closed;
        for (const HostId host : hosts_) {
            if (crashed_.contains(host)) continue;
            if (closed) {
                plane_.cut(host);
            } else {
                plane_.connect(host);
            }
        }
    }

  private:
    DataPlane& plane_;
    const std::vector<HostId>& hosts_;
    std::set<HostId> crashed_;
    bool fenced_ = false;
};

}  // namespace pleat
