// Stranger: somebody in the machines' network who belongs to none of them, and sends all kinds of
// bytes to every port that he finds open.
//
// He speaks no ZeroMQ of his own: what a library would refuse to send is what he is here for.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/file_descriptor.hh"
#include "tests/system/delayed_network.hh"

namespace pleat::system_test {

// Where a process' network namespace listens, other than on its loopback.
struct OpenPorts {
    std::vector<std::uint16_t> tcp;
    std::vector<std::uint16_t> udp;
};

OpenPorts open_ports(pid_t process);

// What a process holds.
struct Holdings {
    std::uint64_t memory_bytes = 0;  // resident
    std::size_t descriptors = 0;
};

Holdings holdings(pid_t process);

// A datagram of UDP that somebody sent, made anew with other content: checksums are right again.
IpPacket with_content(const IpPacket& datagram, const std::vector<std::uint8_t>& content);
std::vector<std::uint8_t> content_of(const IpPacket& datagram);

class Stranger {
  public:
    // Lives in /run/netns/NAME.
    Stranger(std::string network_namespace, std::uint64_t seed)
        : namespace_{std::move(network_namespace)}, random_{seed} {}

    // Once each of what he knows, to all these ports. Connections that were only half made are
    // kept until he is gone.
    void attack(const std::string& address, const OpenPorts& ports);

    std::uint64_t sent_bytes() const { return sent_bytes_; }

    std::size_t connections() const { return connections_; }

  private:
    void attack_tcp(const std::string& address, std::uint16_t port);
    void attack_udp(const std::string& address, std::uint16_t port);
    std::vector<std::uint8_t> noise(std::size_t size);

    std::string namespace_;
    std::mt19937_64 random_;
    std::uint64_t sent_bytes_ = 0;
    std::size_t connections_ = 0;
    std::vector<FileDescriptor> half_open_;
};

}  // namespace pleat::system_test
