#include "tests/dataplane/traffic.hh"

#include <algorithm>
#include <cstring>
#include <ctime>
#include <limits>
#include <span>

#include <arpa/inet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/clock.hh"
#include "tests/dataplane/tcp_segments.hh"

namespace pleat::testing {

namespace {

constexpr std::uint16_t kPort = 5001;
constexpr int kBuffer = 32 << 20;
// Of UdpBlast: what it was late with.
constexpr Duration kMostMadeGood = std::chrono::milliseconds{2};

struct Address {
    sockaddr_storage storage{};
    socklen_t size = 0;

    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }

    sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }

    int family() const { return storage.ss_family; }
};

Address address_of(const std::string& text, std::uint16_t port) {
    Address result;
    if (text.find(':') != std::string::npos) {
        auto* v6 = reinterpret_cast<sockaddr_in6*>(&result.storage);
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        ::inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr);
        result.size = sizeof *v6;
    } else {
        auto* v4 = reinterpret_cast<sockaddr_in*>(&result.storage);
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        ::inet_pton(AF_INET, text.c_str(), &v4->sin_addr);
        result.size = sizeof *v4;
    }
    return result;
}

const std::string& address_text(const TestHost& host, bool v6) {
    return v6 ? host.address6() : host.address();
}

template <typename T>
void set_option(const FileDescriptor& socket, int level, int name, const T& value) {
    check("set a socket's option", ::setsockopt(socket.value(), level, name, &value, sizeof value));
}

// More than a user may have where that is allowed.
void enlarge(const FileDescriptor& socket) {
    const int size = kBuffer;
    for (const int option : {SO_RCVBUF, SO_RCVBUFFORCE, SO_SNDBUF, SO_SNDBUFFORCE}) {
        static_cast<void>(::setsockopt(socket.value(), SOL_SOCKET, option, &size, sizeof size));
    }
}

FileDescriptor open_socket(const TestHost& host, int family, int type, int protocol = 0) {
    FileDescriptor made;
    host.inside([&] {
        made =
            FileDescriptor{check("open a socket", ::socket(family, type | SOCK_CLOEXEC, protocol))};
    });
    return made;
}

// The kernel stamps packets only while somebody wants it to.
void want_time_stamps() {
    static const FileDescriptor keeper = [] {
        FileDescriptor socket{
            check("open a socket", ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0))};
        set_option(socket, SOL_SOCKET, SO_TIMESTAMPNS, 1);
        return socket;
    }();
    static_cast<void>(keeper);
}

std::int64_t real_now() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

// What was received, and when the kernel had it (CLOCK_REALTIME); nothing when there is none.
struct Received {
    std::vector<std::uint8_t> bytes;
    std::int64_t at = 0;
};

std::optional<Received> receive(const FileDescriptor& socket) {
    static thread_local std::vector<std::uint8_t> buffer(65536);
    alignas(cmsghdr) std::array<char, 256> control{};
    iovec part{buffer.data(), buffer.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t size = ::recvmsg(socket.value(), &message, MSG_DONTWAIT);
    if (size < 0) return std::nullopt;
    Received result{.bytes = {buffer.begin(), buffer.begin() + size}, .at = real_now()};
    for (auto* one = CMSG_FIRSTHDR(&message); one != nullptr; one = CMSG_NXTHDR(&message, one)) {
        if (one->cmsg_level != SOL_SOCKET || one->cmsg_type != SCM_TIMESTAMPNS) continue;
        timespec at{};
        std::memcpy(&at, CMSG_DATA(one), sizeof at);
        result.at = at.tv_sec * 1'000'000'000LL + at.tv_nsec;
    }
    return result;
}

// Until one of these can be read, or `deadline`.
void wait_for(std::vector<pollfd>& descriptors, Instant deadline) {
    const Duration left = std::max(deadline - monotonic_now(), Duration::zero());
    const timespec limit{.tv_sec = left.count() / 1'000'000'000,
                         .tv_nsec = left.count() % 1'000'000'000};
    ::ppoll(descriptors.data(), descriptors.size(), &limit, nullptr);
}

// By how much CLOCK_REALTIME is ahead of CLOCK_MONOTONIC. Once for a whole exchange: between
// two readings this thread may lose the processor.
std::int64_t real_ahead_of_monotonic() {
    std::int64_t shortest = std::numeric_limits<std::int64_t>::max();
    std::int64_t result = 0;
    for (int i = 0; i < 20; ++i) {
        const std::int64_t before = monotonic_now().time_since_epoch().count();
        const std::int64_t real = real_now();
        const std::int64_t after = monotonic_now().time_since_epoch().count();
        if (after - before >= shortest) continue;
        shortest = after - before;
        result = real - (before + after) / 2;
    }
    return result;
}

// Stands twice at the head of each datagram, so that damage is seen.
struct Head {
    std::int32_t number;
    std::int32_t again;
    std::int64_t real;
};

constexpr std::size_t kHeads = 2 * sizeof(Head);

std::uint8_t filling(std::int32_t number, std::size_t place) {
    return static_cast<std::uint8_t>(static_cast<std::size_t>(number) * 7 + place);
}

void fill(std::uint8_t* datagram, std::size_t size, std::int32_t number) {
    const Head head{.number = number, .again = number, .real = real_now()};
    std::memcpy(datagram, &head, sizeof head);
    std::memcpy(datagram + sizeof head, &head, sizeof head);
    for (std::size_t i = kHeads; i < size; ++i) datagram[i] = filling(number, i);
}

// A datagram that was received at this time of CLOCK_REALTIME.
std::optional<Arrival> read_arrival(std::span<const std::uint8_t> bytes, std::int64_t at,
                                    std::int64_t real_ahead) {
    if (bytes.size() < kHeads) return std::nullopt;
    Head head{};
    std::memcpy(&head, bytes.data(), sizeof head);
    Arrival result{
        .number = head.number,
        .sent = Instant{Duration{head.real - real_ahead}},
        .one_way = Duration{at - head.real},
        .damaged = head.number != head.again ||
                   std::memcmp(bytes.data(), bytes.data() + sizeof head, sizeof head) != 0};
    for (std::size_t i = kHeads; i < bytes.size(); ++i) {
        if (bytes[i] != filling(head.number, i)) result.damaged = true;
    }
    return result;
}

class RunningStream {
  public:
    RunningStream(const Stream& stream, std::int64_t real_ahead)
        : stream_{stream},
          real_ahead_{real_ahead},
          to_{address_of(address_text(*stream.to, stream.v6), 0)},
          out_{open_socket(*stream.from, to_.family(), SOCK_DGRAM)},
          in_{open_socket(*stream.to, to_.family(), SOCK_DGRAM)},
          buffer_(static_cast<std::size_t>(stream.payload * stream.segments)),
          seen_(static_cast<std::size_t>(total()), false) {
        PLEAT_ASSERT(static_cast<std::size_t>(stream.payload) >= kHeads);
        enlarge(out_);
        enlarge(in_);
        set_option(in_, SOL_SOCKET, SO_TIMESTAMPNS, 1);
        check("bind a socket", ::bind(in_.value(), to_.get(), to_.size));
        check("ask for a port", ::getsockname(in_.value(), to_.get(), &to_.size));
        check("connect a socket", ::connect(out_.value(), to_.get(), to_.size));
        if (!stream.checksum) set_option(out_, SOL_SOCKET, SO_NO_CHECK, 1);
        if (stream.segments > 1) {
            set_option(out_, SOL_UDP, UDP_SEGMENT, stream.payload);
            set_option(in_, SOL_UDP, UDP_GRO, 1);
        }
        next_ = monotonic_now();
    }

    int descriptor() const { return in_.value(); }

    bool all_sent() const { return sent_ == stream_.count; }

    bool all_arrived() const { return distinct_ == total(); }

    Instant next() const { return next_; }

    // Sends what is due. True: something was.
    bool send(Instant now) {
        const bool due = !all_sent() && next_ <= now;
        // What arrives is read in between.
        for (int i = 0; i < 64 && !all_sent() && next_ <= now; ++i) {
            for (int segment = 0; segment < stream_.segments; ++segment) {
                fill(buffer_.data() + static_cast<std::ptrdiff_t>(segment) * stream_.payload,
                     static_cast<std::size_t>(stream_.payload), sent_ * stream_.segments + segment);
            }
            if (::send(out_.value(), buffer_.data(), buffer_.size(), 0) < 0) ++result_.send_errors;
            ++sent_;
            next_ += stream_.interval;
        }
        return due;
    }

    // Reads what has arrived. True: something had.
    bool read() {
        bool any = false;
        const auto each = static_cast<std::size_t>(stream_.payload);
        while (const auto received = receive(in_)) {
            // What was sent joined may be received joined.
            std::span<const std::uint8_t> left{received->bytes};
            for (; !left.empty(); left = left.subspan(std::min(each, left.size()))) {
                const auto arrival = read_arrival(left.first(std::min(each, left.size())),
                                                  received->at, real_ahead_);
                if (!arrival) continue;
                any = true;
                note(*arrival);
            }
        }
        return any;
    }

    StreamResult take_result() { return std::move(result_); }

  private:
    int total() const { return stream_.count * stream_.segments; }

    void note(const Arrival& arrival) {
        result_.arrivals.push_back(arrival);
        if (arrival.number < 0 || arrival.number >= total()) return;
        auto seen = seen_.begin() + arrival.number;
        if (!*seen) ++distinct_;
        *seen = true;
    }

    Stream stream_;
    std::int64_t real_ahead_;
    Address to_;
    FileDescriptor out_;
    FileDescriptor in_;
    std::vector<std::uint8_t> buffer_;
    std::vector<bool> seen_;
    int distinct_ = 0;
    int sent_ = 0;
    Instant next_;
    StreamResult result_;
};

// An ICMP socket that sends echoes to one address and sees only their answers.
class EchoSocket {
  public:
    explicit EchoSocket(const Echoes& echoes)
        : to_{address_of(echoes.address, 0)},
          socket_{open_socket(*echoes.from, to_.family(), SOCK_RAW,
                              v6() ? static_cast<int>(IPPROTO_ICMPV6) : IPPROTO_ICMP)},
          packet_(sizeof(icmphdr) + static_cast<std::size_t>(echoes.payload)) {
        static std::atomic<std::uint16_t> next{1};
        id_ = next++;
        enlarge(socket_);
        set_option(socket_, SOL_SOCKET, SO_TIMESTAMPNS, 1);
        if (v6()) {
            icmp6_filter filter{};
            ICMP6_FILTER_SETBLOCKALL(&filter);
            ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
            set_option(socket_, IPPROTO_ICMPV6, ICMP6_FILTER, filter);
        } else {
            constexpr int kFilter = 1;  // ICMP_FILTER of linux/icmp.h
            set_option(socket_, SOL_RAW, kFilter, ~(1U << ICMP_ECHOREPLY));
        }
        check("connect a socket", ::connect(socket_.value(), to_.get(), to_.size));
    }

    int descriptor() const { return socket_.value(); }

    void send(std::uint16_t number) {
        icmphdr head{};
        head.type = v6() ? static_cast<std::uint8_t>(ICMP6_ECHO_REQUEST) : ICMP_ECHO;
        head.un.echo.id = htons(id_);
        head.un.echo.sequence = htons(number);
        std::memcpy(packet_.data(), &head, sizeof head);
        if (!v6()) {
            head.checksum = checksum();
            std::memcpy(packet_.data(), &head, sizeof head);
        }
        sent_.push_back(real_now());
        // An unreachable host may be reported here; that the echo does not return says it.
        static_cast<void>(::send(socket_.value(), packet_.data(), packet_.size(), 0));
    }

    // Nothing: there is none at present.
    std::optional<Duration> read() {
        while (const auto received = receive(socket_)) {
            const std::size_t skip = v6() ? 0 : 20;
            icmphdr head{};
            if (received->bytes.size() < skip + sizeof head) continue;
            std::memcpy(&head, received->bytes.data() + skip, sizeof head);
            const std::size_t number = ntohs(head.un.echo.sequence);
            if (ntohs(head.un.echo.id) != id_ || number >= sent_.size()) continue;
            return Duration{received->at - sent_[number]};
        }
        return std::nullopt;
    }

  private:
    bool v6() const { return to_.family() == AF_INET6; }

    std::uint16_t checksum() const {
        std::uint32_t sum = 0;
        for (std::size_t i = 0; i < packet_.size(); ++i) {
            sum += i % 2 == 0 ? packet_[i] : static_cast<std::uint32_t>(packet_[i]) << 8;
        }
        while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
        return static_cast<std::uint16_t>(~sum);
    }

    Address to_;
    FileDescriptor socket_;
    std::vector<std::uint8_t> packet_;
    std::uint16_t id_ = 0;
    std::vector<std::int64_t> sent_;
};

void choose_cubic(const FileDescriptor& socket) {
    constexpr std::string_view kCubic = "cubic";
    static_cast<void>(
        ::setsockopt(socket.value(), IPPROTO_TCP, TCP_CONGESTION, kCubic.data(), kCubic.size()));
}

}  // namespace

std::vector<Duration> StreamResult::one_way_times() const {
    std::vector<Duration> times;
    times.reserve(arrivals.size());
    for (const Arrival& one : arrivals) times.push_back(one.one_way);
    std::ranges::sort(times);
    return times;
}

std::vector<int> StreamResult::copies(int sent) const {
    std::vector<int> result(static_cast<std::size_t>(sent), 0);
    for (const Arrival& one : arrivals) {
        if (one.number >= 0 && one.number < sent) ++result[static_cast<std::size_t>(one.number)];
    }
    return result;
}

std::vector<StreamResult> exchange(const std::vector<Stream>& streams, Duration patience) {
    want_time_stamps();
    ::prctl(PR_SET_TIMERSLACK, 1);
    std::vector<RunningStream> running;
    running.reserve(streams.size());
    const std::int64_t real_ahead = real_ahead_of_monotonic();
    for (const Stream& one : streams) running.emplace_back(one, real_ahead);
    std::vector<pollfd> descriptors;
    descriptors.reserve(running.size());
    for (const RunningStream& one : running) descriptors.push_back({one.descriptor(), POLLIN, 0});
    Instant last = monotonic_now();  // that something happened
    while (true) {
        const Instant now = monotonic_now();
        Instant wake = last + patience;
        bool sending = false;
        bool done = true;
        for (RunningStream& one : running) {
            const bool sent = one.send(now);
            const bool read = one.read();
            if (sent || read) last = now;
            sending |= !one.all_sent();
            done &= one.all_arrived();
        }
        if (!sending && (done || now - last > patience)) break;
        for (const RunningStream& one : running) {
            if (!one.all_sent()) wake = std::min(wake, one.next());
        }
        wait_for(descriptors, wake);
    }
    std::vector<StreamResult> results;
    results.reserve(running.size());
    for (RunningStream& one : running) results.push_back(one.take_result());
    return results;
}

std::vector<Duration> ping(const Echoes& echoes, Duration patience) {
    want_time_stamps();
    ::prctl(PR_SET_TIMERSLACK, 1);
    EchoSocket socket{echoes};
    std::vector<pollfd> descriptors{{socket.descriptor(), POLLIN, 0}};
    std::vector<Duration> times;
    Instant next = monotonic_now();
    Instant last = next;
    int sent = 0;
    while (true) {
        const Instant now = monotonic_now();
        if (sent < echoes.count && now >= next) {
            socket.send(static_cast<std::uint16_t>(sent++));
            next += echoes.interval;
            last = now;
        }
        while (const auto time = socket.read()) {
            times.push_back(*time);
            last = now;
        }
        const bool all = static_cast<int>(times.size()) >= echoes.count;
        if (sent == echoes.count && (all || now - last > patience)) break;
        wait_for(descriptors, sent < echoes.count ? next : last + patience);
    }
    std::ranges::sort(times);
    return times;
}

TcpTransfer::TcpTransfer(const TestHost& from, const TestHost& to, bool v6) {
    Address address = address_of(address_text(to, v6), kPort);
    const FileDescriptor listener = open_socket(to, address.family(), SOCK_STREAM);
    set_option(listener, SOL_SOCKET, SO_REUSEADDR, 1);
    check("bind a socket", ::bind(listener.value(), address.get(), address.size));
    check("listen", ::listen(listener.value(), 1));
    sender_ = open_socket(from, address.family(), SOCK_STREAM);
    choose_cubic(sender_);
    set_option(sender_, SOL_SOCKET, SO_SNDTIMEO, timeval{.tv_sec = 10, .tv_usec = 0});
    check("connect a socket", ::connect(sender_.value(), address.get(), address.size));
    set_option(sender_, SOL_SOCKET, SO_SNDTIMEO, timeval{});
    receiver_ = FileDescriptor{
        check("accept", ::accept4(listener.value(), nullptr, nullptr, SOCK_CLOEXEC))};
    send_ = std::thread{[this] {
        const std::vector<char> data(std::size_t{256} * 1024);
        while (::send(sender_.value(), data.data(), data.size(), MSG_NOSIGNAL) > 0) {
        }
    }};
    receive_ = std::thread{[this] {
        while (true) {
            const ssize_t size = ::recv(receiver_.value(), nullptr, 1 << 20, MSG_TRUNC);
            if (size <= 0) break;
            received_ += static_cast<std::uint64_t>(size);
        }
    }};
}

TcpTransfer::~TcpTransfer() {
    ::shutdown(sender_.value(), SHUT_RDWR);
    ::shutdown(receiver_.value(), SHUT_RDWR);
    send_.join();
    receive_.join();
}

std::uint32_t TcpTransfer::arrived_segments() const {
    return data_segments_in(receiver_.value());
}

std::uint32_t TcpTransfer::retransmissions() const {
    tcp_info info{};
    socklen_t size = sizeof info;
    check("ask for TCP_INFO", ::getsockopt(sender_.value(), IPPROTO_TCP, TCP_INFO, &info, &size));
    return info.tcpi_total_retrans;
}

UdpBlast::UdpBlast(const TestHost& from, const TestHost& to, Bandwidth rate, int payload) {
    Address address = address_of(to.address(), 0);
    receiver_ = open_socket(to, address.family(), SOCK_DGRAM);
    enlarge(receiver_);
    set_option(receiver_, SOL_SOCKET, SO_RCVTIMEO, timeval{.tv_sec = 0, .tv_usec = 50'000});
    check("bind a socket", ::bind(receiver_.value(), address.get(), address.size));
    check("ask for a port", ::getsockname(receiver_.value(), address.get(), &address.size));
    sender_ = open_socket(from, address.family(), SOCK_DGRAM);
    enlarge(sender_);
    check("connect a socket", ::connect(sender_.value(), address.get(), address.size));
    send_ = std::thread{[this, rate, payload] {
        ::prctl(PR_SET_TIMERSLACK, 1);
        const std::vector<char> data(static_cast<std::size_t>(payload));
        const Duration each = DataSize::bytes(payload + 42) / rate;
        Instant next = monotonic_now();
        std::vector<pollfd> nothing;
        while (!end_) {
            next = std::max(next, monotonic_now() - kMostMadeGood);
            for (; next <= monotonic_now() && !end_; next += each) {
                const ssize_t size = ::send(sender_.value(), data.data(), data.size(), 0);
                size < 0 ? ++send_errors_ : ++sent_;
            }
            wait_for(nothing, next);
        }
    }};
    receive_ = std::thread{[this] {
        while (!end_) {
            if (::recv(receiver_.value(), nullptr, 0, MSG_TRUNC) > 0) ++received_;
        }
    }};
}

UdpBlast::~UdpBlast() {
    end_ = true;
    send_.join();
    receive_.join();
}

}  // namespace pleat::testing
