// PlaceRegister: which place each host of this machine has among the sources. With a
// directory (a bpffs) it is written there, as links HOST -> PLACE that lead nowhere, so that
// whoever takes over finds it again.
#pragma once

#include <optional>
#include <unordered_map>
#include <vector>

#include "model/ids.hh"

namespace pleat {

class PlaceRegister {
  public:
    // Reads what is in the directory, if there is one. Throws when that is no register.
    explicit PlaceRegister(int directory = -1);

    std::optional<std::uint32_t> find(HostId host) const;

    // Gives the next place to the host. Throws when it can't be written.
    std::uint32_t add(HostId host);

    // Removes what is in the directory.
    void forget();

    const std::vector<HostId>& hosts() const { return hosts_; }  // by place

  private:
    int directory_;
    std::vector<HostId> hosts_;
    std::unordered_map<HostId, std::uint32_t> places_;
};

}  // namespace pleat
