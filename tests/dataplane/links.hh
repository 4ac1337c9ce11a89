// Links: network interfaces of one namespace, made and changed by netlink: starting `ip`
// takes 0.3 s in User Mode Linux.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "node/netlink/route_socket.hh"

namespace pleat::testing {

class Links {
  public:
    explicit Links(int network_namespace) : socket_{network_namespace} {}

    void make_bridge(const std::string& name);

    // `name` here, `peer` in the other namespace.
    void make_veth(const std::string& name, const std::string& peer, int peer_namespace);

    void plug(const std::string& name, const std::string& bridge);
    void raise(const std::string& name, std::uint32_t mtu, std::uint32_t transmit_queue);
    void remove(const std::string& name);

    // How many segments a packet that the interface is given may stand for.
    void limit_segmentation(const std::string& name, std::uint32_t segments);

    // Addresses are given as they are in a packet.
    void add_address(const std::string& name, const std::array<std::uint8_t, 4>& address,
                     int prefix);
    void add_address(const std::string& name, const std::array<std::uint8_t, 16>& address,
                     int prefix);

    using HardwareAddress = std::array<std::uint8_t, 6>;

    // Nobody need ask for it.
    void add_neighbour(const std::string& name, const std::array<std::uint8_t, 4>& address,
                       const HardwareAddress& at);
    void add_neighbour(const std::string& name, const std::array<std::uint8_t, 16>& address,
                       const HardwareAddress& at);

    // A token bucket of 1 Gbps as root qdisc: something that is not ours.
    void add_token_bucket(const std::string& name);

  private:
    int index(const std::string& name);
    void change(const std::string& attempt, const std::string& name, int attribute,
                std::uint32_t value);

    RouteSocket socket_;
};

}  // namespace pleat::testing
