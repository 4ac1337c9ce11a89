// Frames and packets that no ordinary socket makes.
#pragma once

#include <cstdint>
#include <string>

#include "tests/dataplane/test_host.hh"

namespace pleat::testing {

// Sends frames of this ethertype from the host's interface, with `bytes` behind it.
void send_frames(const TestHost& host, std::uint16_t ethertype, const std::string& bytes,
                 int count);

// An IPv4 packet in a VLAN's tag, as it is behind the ethertype of the tag.
std::string tagged_ipv4(const TestHost& from, const TestHost& to);

// How many packets the host's interface has been given and has sent (behind its qdiscs).
std::uint64_t packets_sent(const TestHost& host);

// Packets of an IP protocol that nobody knows (253, RFC 3692).
class StrangePackets {
  public:
    StrangePackets(const TestHost& from, const TestHost& to, bool v6);

    void send(int bytes) const;

    // How many have arrived; waits for so many, at most 500 ms for each.
    int arrived(int expected) const;

  private:
    FileDescriptor out_;
    FileDescriptor in_;
    std::string address_;
    bool v6_;
};

}  // namespace pleat::testing
