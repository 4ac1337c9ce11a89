#include "tests/dataplane/frames.hh"

#include <array>
#include <cstring>
#include <fstream>
#include <vector>

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/error.hh"

namespace pleat::testing {

namespace {

constexpr int kProtocol = 253;

FileDescriptor socket_in(const TestHost& host, int family, int type, int protocol) {
    FileDescriptor result;
    host.inside([&] {
        result =
            FileDescriptor{check("open a socket", ::socket(family, type | SOCK_CLOEXEC, protocol))};
    });
    return result;
}

// A padding that looks like no header.
std::vector<char> filled(int bytes) {
    return std::vector<char>(static_cast<std::size_t>(bytes), '\x5a');
}

}  // namespace

void send_frames(const TestHost& host, std::uint16_t ethertype, const std::string& bytes,
                 int count) {
    unsigned index = 0;
    FileDescriptor socket;
    host.inside([&] {
        socket = FileDescriptor{
            check("open a packet socket", ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0))};
        index = ::if_nametoindex(TestHost::kInterface);
    });
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    to.sll_ifindex = static_cast<int>(index);
    to.sll_protocol = htons(ethertype);
    std::string frame(12, '\x02');
    const std::uint16_t type = htons(ethertype);
    frame.append(reinterpret_cast<const char*>(&type), sizeof type);
    frame += bytes;
    for (int i = 0; i < count; ++i) {
        // Whether a qdisc drops it is its business (ENOBUFS).
        static_cast<void>(::sendto(socket.value(), frame.data(), frame.size(), 0,
                                   reinterpret_cast<const sockaddr*>(&to), sizeof to));
    }
}

std::string tagged_ipv4(const TestHost& from, const TestHost& to) {
    iphdr ip{};
    ip.version = 4;
    ip.ihl = 5;
    ip.ttl = 64;
    ip.protocol = kProtocol;
    ip.tot_len = htons(sizeof ip);
    ::inet_pton(AF_INET, from.address().c_str(), &ip.saddr);
    ::inet_pton(AF_INET, to.address().c_str(), &ip.daddr);
    const std::array<std::uint16_t, 2> tag{htons(7), htons(ETH_P_IP)};
    std::string bytes{reinterpret_cast<const char*>(tag.data()), sizeof tag};
    bytes.append(reinterpret_cast<const char*>(&ip), sizeof ip);
    return bytes;
}

std::uint64_t packets_sent(const TestHost& host) {
    std::uint64_t packets = 0;
    host.inside([&packets] {
        std::ifstream file{"/proc/thread-self/net/dev"};
        for (std::string word; file >> word;) {
            if (word != std::string{TestHost::kInterface} + ":") continue;
            // Eight numbers of what was received, then bytes and packets that were sent.
            for (int i = 0; i < 10; ++i) file >> packets;
            return;
        }
    });
    return packets;
}

StrangePackets::StrangePackets(const TestHost& from, const TestHost& to, bool v6)
    : out_{socket_in(from, v6 ? AF_INET6 : AF_INET, SOCK_RAW, kProtocol)},
      in_{socket_in(to, v6 ? AF_INET6 : AF_INET, SOCK_RAW, kProtocol)},
      address_{v6 ? to.address6() : to.address()},
      v6_{v6} {}

void StrangePackets::send(int bytes) const {
    const std::vector<char> content = filled(bytes);
    sockaddr_in6 to6{};
    to6.sin6_family = AF_INET6;
    sockaddr_in to4{};
    to4.sin_family = AF_INET;
    if (v6_) {
        ::inet_pton(AF_INET6, address_.c_str(), &to6.sin6_addr);
    } else {
        ::inet_pton(AF_INET, address_.c_str(), &to4.sin_addr);
    }
    const auto* const to =
        v6_ ? reinterpret_cast<const sockaddr*>(&to6) : reinterpret_cast<const sockaddr*>(&to4);
    check("send a packet", static_cast<int>(::sendto(out_.value(), content.data(), content.size(),
                                                     0, to, v6_ ? sizeof to6 : sizeof to4)));
}

int StrangePackets::arrived(int expected) const {
    int count = 0;
    pollfd ready{.fd = in_.value(), .events = POLLIN, .revents = 0};
    while (count < expected && ::poll(&ready, 1, 500) > 0) {
        if (::recv(in_.value(), nullptr, 0, MSG_TRUNC) >= 0) ++count;
    }
    return count;
}

}  // namespace pleat::testing
