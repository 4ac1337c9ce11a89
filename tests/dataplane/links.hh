// Links: what tests do to network interfaces, by netlink: starting `ip` takes long in User
// Mode Linux.
#pragma once

#include <cstdint>
#include <string>

#include "node/netlink/route_socket.hh"

namespace pleat::testing {

class Links {
  public:
    explicit Links(int network_namespace) : socket_{network_namespace} {}

    void remove(const std::string& name);

    // Whatever qdisc there is: TC_H_ROOT, TC_H_CLSACT.
    void remove_qdisc(const std::string& name, std::uint32_t parent);
    // All filters of a qdisc or a side of clsact.
    void remove_filters(const std::string& name, std::uint32_t parent);

    void set_mtu(const std::string& name, std::uint32_t bytes);

    // How many segments a packet that the interface is given may stand for.
    void limit_segmentation(const std::string& name, std::uint32_t segments);

    // The qdisc ingress, whose place is that of clsact.
    void add_ingress(const std::string& name);

    // A token bucket of 1 Gbps as root qdisc: something that is not ours.
    void add_token_bucket(const std::string& name);

  private:
    int index(const std::string& name);

    RouteSocket socket_;
};

}  // namespace pleat::testing
