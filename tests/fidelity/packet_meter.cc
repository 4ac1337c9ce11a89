// Counts the packets that reach this host, as layer 2 would:
//
//     packet_meter [INTERVAL_MS]
//
// Until it is ended it prints "meter-begun SECONDS" when it begins and, for the first packet and
// then for the first of each interval (100 ms), a line "meter SECONDS BYTES": when the kernel
// received it, and the bytes of all packets so far, this one's too. The bytes between two lines
// have arrived between the arrivals of their packets: on a path of constant latency, from departure
// to departure. A GSO packet counts as the segments that it stands for, 14 bytes of header each.
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

#include "node/dataplane/virtio_header.hh"
#include "tests/fidelity/kernel_stamp.hh"

using namespace pleat;
using namespace pleat::fidelity;

namespace {

constexpr std::int64_t kHeader = 14;
constexpr std::size_t kKept = 128;  // bytes of each packet that are looked at

[[noreturn]] void fail(const char* what) {
    std::perror(what);
    std::exit(EXIT_FAILURE);
}

int open_socket() {
    const int socket = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
    if (socket < 0) fail("packet_meter: open a packet socket");
    const int on = 1;
    const int memory = 8 << 20;
    sock_filter code[] = {{BPF_RET | BPF_K, 0, 0, kKept}};
    const sock_fprog program{.len = 1, .filter = code};
    if (::setsockopt(socket, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) != 0 ||
        ::setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0 ||
        !stamp_packets(socket)) {
        fail("packet_meter: set up the packet socket");
    }
    // As much as an ordinary user may have. Packets that don't fit in are noticed.
    ::setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &memory, sizeof memory);
    return socket;
}

// What was not counted would be missed in the sum.
void fail_on_drops(int socket) {
    tpacket_stats counts{};
    socklen_t size = sizeof counts;
    if (::getsockopt(socket, SOL_PACKET, PACKET_STATISTICS, &counts, &size) != 0) {
        fail("packet_meter: ask for drops");
    }
    if (counts.tp_drops == 0) return;
    std::printf("meter: %u packets were not counted\n", counts.tp_drops);
    std::exit(EXIT_FAILURE);
}

// An IP packet, or the start of one.
struct Packet {
    std::array<std::uint8_t, kKept> bytes;

    std::int64_t u16(std::size_t at) const { return bytes[at] * 256 + bytes[at + 1]; }

    bool ipv6() const { return bytes[0] >> 4 == 6; }

    // A GSO packet of up to 64 KB.
    std::int64_t length() const { return ipv6() ? 40 + u16(4) : u16(2); }

    // Of IP and TCP or UDP; -1: another protocol.
    std::int64_t header() const {
        const std::size_t ip = ipv6() ? 40 : static_cast<std::size_t>(bytes[0] & 15) * 4;
        const int protocol = ipv6() ? bytes[6] : bytes[9];
        if (protocol == 6) {
            const std::int64_t words = bytes[ip + 12] >> 4;
            return static_cast<std::int64_t>(ip) + words * 4;
        }
        return protocol == 17 ? static_cast<std::int64_t>(ip) + 8 : -1;
    }
};

std::int64_t layer_2_bytes(const Packet& packet, const VirtioHeader& virtio) {
    const std::int64_t length = packet.length();
    const std::int64_t header = packet.header();
    if (virtio.gso_type == VirtioHeader::kNotGso || virtio.gso_size == 0 || header < 0) {
        return length + kHeader;
    }
    const std::int64_t payload = length - header;
    const std::int64_t segments = (payload + virtio.gso_size - 1) / virtio.gso_size;
    return payload + segments * (header + kHeader);
}

}  // namespace

int main(int argc, char** argv) {
    const std::chrono::milliseconds interval{argc > 1 ? std::stol(argv[1]) : 100};
    const int socket = open_socket();
    const unsigned loopback = ::if_nametoindex("lo");
    std::int64_t sum = 0;
    std::chrono::nanoseconds next{};
    std::printf("meter-begun %.6f\n", static_cast<double>(now_of(CLOCK_MONOTONIC).count()) / 1e9);
    for (;;) {
        VirtioHeader virtio;
        Packet packet{};
        iovec parts[] = {{&virtio, sizeof virtio}, {packet.bytes.data(), packet.bytes.size()}};
        sockaddr_ll from{};
        alignas(cmsghdr) char control[128];
        msghdr message{};
        message.msg_name = &from;
        message.msg_namelen = sizeof from;
        message.msg_iov = parts;
        message.msg_iovlen = 2;
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        if (::recvmsg(socket, &message, 0) < 0) {
            if (errno == EINTR) continue;
            fail("packet_meter: receive");
        }
        if (static_cast<unsigned>(from.sll_ifindex) == loopback ||
            from.sll_pkttype == PACKET_OUTGOING) {
            continue;
        }
        const auto at = received_at(message);
        if (!at) fail("packet_meter: the kernel did not note when a packet came");
        sum += layer_2_bytes(packet, virtio);
        if (*at < next) continue;
        fail_on_drops(socket);
        next = *at + interval;
        std::printf("meter %.6f %lld\n", static_cast<double>(at->count()) / 1e9,
                    static_cast<long long>(sum));
        std::fflush(stdout);
    }
}
