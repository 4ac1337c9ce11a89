#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <exception>
#include <thread>

#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netlink/msg.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/namespaces.hh"
#include "node/dataplane/netem/netem_plane.hh"
#include "node/dataplane/netem/request_batch.hh"
#include "node/dataplane/netem/tc_messages.hh"
#include "node/dataplane/netem/usage.hh"

namespace pleat {

namespace {

constexpr std::uint16_t kMinor = kFirstDestination;
constexpr std::size_t kDatagram = 1000;
constexpr int kDatagrams = 5;

void loopback_up() {
    const FileDescriptor socket{
        check("open a socket", ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0))};
    ifreq request{};
    std::strncpy(request.ifr_name, "lo", IFNAMSIZ - 1);
    request.ifr_flags = IFF_UP;
    check("set the loopback interface up", ::ioctl(socket.value(), SIOCSIFFLAGS, &request));
}

// To itself: nothing answers, all packets there are are these.
FileDescriptor send_datagrams() {
    FileDescriptor socket{check("open a socket", ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0))};
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(9);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const auto* address = reinterpret_cast<const sockaddr*>(&to);
    check("bind a socket", ::bind(socket.value(), address, sizeof to));
    const std::array<char, kDatagram> bytes{};
    for (int i = 0; i < kDatagrams; ++i) {
        static_cast<void>(
            ::sendto(socket.value(), bytes.data(), bytes.size(), 0, address, sizeof to));
    }
    return socket;
}

// netem lost count of what it had given to an inner queue, until Linux 6.13 and the stable
// kernels of December 2024; then HTB forgets such a class while packets wait in it.
std::string trial_of_counts(RouteSocket& socket, const TcMessages& messages) {
    const FileDescriptor receiver = send_datagrams();
    const Instant deadline = monotonic_now() + std::chrono::seconds{2};
    while (monotonic_now() < deadline) {
        RequestBatch batch;
        batch.add(messages.read_qdisc(class_id(kMinor), netem_id(kMinor)));
        batch.add(messages.read_qdisc(netem_id(kMinor) | 1U, queue_id(kMinor)));
        std::vector<TcStatistics> read;
        const auto refused = batch.send(socket, [&read](const nlmsghdr& header) {
            if (const auto one = tc_statistics(header)) read.push_back(*one);
        });
        if (!refused.empty() || read.size() != 2) return "statistics of qdiscs can't be read";
        if (read[1].queued_packets > 0) {
            return read[0].queued_packets >= read[1].queued_packets
                       ? ""
                       : "this kernel's netem loses count of packets in an inner queue (mended in "
                         "Linux 6.13, 6.12.5, 6.6.66, 6.1.120, 5.15.174)";
        }
        if (read[1].packets == kDatagrams) return {};  // too slow to see any wait
        ::poll(nullptr, 0, 1);
    }
    return "packets do not come through HTB and netem";
}

std::string trial() {
    RouteSocket socket;
    RequestBatch::prepare(socket);
    loopback_up();
    const TcMessages messages{socket.interface_index("lo")};
    const auto refused = [&socket](NetlinkMessage message) {
        const int error = socket.try_to(message.get());
        std::string text;
        if (error != 0) {
            text = std::system_category().message(error);
            if (!socket.why().empty()) text += ", " + socket.why();
        }
        return text;
    };
    std::string missing;
    const auto need = [&](const char* what, NetlinkMessage message) {
        if (!missing.empty()) return;
        const std::string text = refused(std::move(message));
        if (!text.empty()) missing = std::string{what} + " (" + text + ")";
    };
    // 5 ms a datagram; two of them at once.
    ClassShape clock =
        class_shape(Bandwidth::bits_per_second(1'600'000), Bandwidth::unlimited(), Overhead{});
    const ClassShape free = class_shape(Bandwidth::unlimited(), Bandwidth::unlimited(), Overhead{});
    need("HTB: module sch_htb", messages.htb());
    need("HTB classes", messages.uplink(class_id(kFirstUplink), free));
    need("HTB classes", messages.uplink(kDefaultClass, free));
    need("HTB classes", messages.destination(kMinor, class_id(kFirstUplink), clock));
    need("netem: module sch_netem",
         messages.netem(class_id(kMinor), netem_id(kMinor), NetemShape{}, 1));
    need("a queue within netem",
         messages.byte_queue(netem_id(kMinor) | 1U, queue_id(kMinor), 64000));
    if (!missing.empty()) return missing;
    // Either of BPF and u32 will do; u32 is all that is left without privileges.
    need("u32 filters: module cls_u32", messages.u32_table(false));
    need("u32 filters", messages.u32_hash(false));
    need("u32 filters", messages.u32_destination(INADDR_LOOPBACK, class_id(kMinor), 1));
    if (!missing.empty()) return missing;
    return trial_of_counts(socket, messages);
}

}  // namespace

std::string missing_for_netem() {
    std::array<int, 2> ends{};
    check("make a pipe", ::pipe2(ends.data(), O_CLOEXEC));
    FileDescriptor reading{ends[0]};
    FileDescriptor writing{ends[1]};
    const pid_t child = check("start a child process", ::fork());
    if (child == 0) {
        std::string text;
        try {
            if (::geteuid() != 0) become_root_of_user_namespace();
            check("cannot make a network namespace", ::unshare(CLONE_NEWNET));
            text = trial();
        } catch (const std::exception& error) {
            text = error.what();
        }
        // "." : it came to an end.
        text += '.';
        static_cast<void>(::write(writing.value(), text.data(), text.size()));
        ::_exit(0);
    }
    writing.close();
    std::string text;
    std::array<char, 512> buffer{};
    ssize_t count = 0;
    while ((count = ::read(reading.value(), buffer.data(), buffer.size())) > 0) {
        text.append(buffer.data(), static_cast<std::size_t>(count));
    }
    ::waitpid(child, nullptr, 0);
    if (text.empty()) return "the trial of HTB and netem ended early";
    text.pop_back();
    return text;
}

}  // namespace pleat
