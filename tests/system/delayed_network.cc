#include "tests/system/delayed_network.hh"

#include <algorithm>
#include <array>
#include <cstring>
#include <exception>

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/error.hh"

namespace pleat::system_test {

namespace {

FileDescriptor open_tun(const std::string& network_namespace, const std::string& interface) {
    FileDescriptor made;
    std::exception_ptr failed;
    std::thread{[&] {
        try {
            const std::string path = "/run/netns/" + network_namespace;
            const FileDescriptor there{
                check("open " + path, ::open(path.c_str(), O_RDONLY | O_CLOEXEC))};
            check("enter " + path, ::setns(there.value(), CLONE_NEWNET));
            made = FileDescriptor{check("open /dev/net/tun",
                                        ::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK))};
            ifreq request{};
            request.ifr_flags = IFF_TUN | IFF_NO_PI;
            std::strncpy(request.ifr_name, interface.c_str(), IFNAMSIZ - 1);
            check("make " + interface, ::ioctl(made.value(), TUNSETIFF, &request));
        } catch (...) {
            failed = std::current_exception();
        }
    }}.join();
    if (failed) std::rethrow_exception(failed);
    return made;
}

constexpr std::size_t kMostOverheard = 1000;
// Of one ppoll(), whose nanoseconds are less than a second.
constexpr Duration kLongestWait = std::chrono::milliseconds{999};

}  // namespace

DelayedNetwork::DelayedNetwork(const Road& road, std::uint64_t seed)
    : road_{road},
      draws_{road, seed},
      wake_{check("make an eventfd", ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))} {}

DelayedNetwork::~DelayedNetwork() {
    if (!thread_.joinable()) return;
    {
        const std::scoped_lock lock{mutex_};
        stopping_ = true;
    }
    wake();
    thread_.join();
}

void DelayedNetwork::add(const std::string& network_namespace, const std::string& interface,
                         std::uint8_t last) {
    ends_.emplace(last, open_tun(network_namespace, interface));
}

void DelayedNetwork::start() {
    thread_ = std::thread{[this] { run(); }};
}

void DelayedNetwork::cut(std::uint8_t one, std::uint8_t other) {
    const std::scoped_lock lock{mutex_};
    cut_.insert({one, other});
    cut_.insert({other, one});
}

void DelayedNetwork::mend() {
    const std::scoped_lock lock{mutex_};
    cut_.clear();
}

RoadCounts DelayedNetwork::counts() const {
    const std::scoped_lock lock{mutex_};
    return counts_;
}

std::vector<IpPacket> DelayedNetwork::overheard() const {
    const std::scoped_lock lock{mutex_};
    return {overheard_.begin(), overheard_.end()};
}

void DelayedNetwork::inject(IpPacket packet) {
    {
        const std::scoped_lock lock{mutex_};
        injected_.push_back(std::move(packet));
    }
    wake();
}

void DelayedNetwork::wake() const {
    const std::uint64_t one = 1;
    static_cast<void>(!::write(wake_.value(), &one, sizeof one));
}

void DelayedNetwork::run() {
    std::vector<pollfd> watched{{wake_.value(), POLLIN, 0}};
    for (const auto& [last, end] : ends_) watched.push_back({end.value(), POLLIN, 0});
    while (true) {
        const Instant now = monotonic_now();
        deliver(now);
        timespec left{1, 0};
        if (!under_way_.empty()) {
            const Duration wait = std::min<Duration>(under_way_.begin()->first - now, kLongestWait);
            left = {0, wait.count()};
        }
        if (::ppoll(watched.data(), watched.size(), &left, nullptr) <= 0) continue;
        if (watched[0].revents != 0) {
            std::uint64_t times = 0;
            static_cast<void>(!::read(wake_.value(), &times, sizeof times));
            std::vector<IpPacket> injected;
            {
                const std::scoped_lock lock{mutex_};
                if (stopping_) return;
                injected.swap(injected_);
            }
            for (const IpPacket& packet : injected) take(packet, monotonic_now());
        }
        for (std::size_t i = 1; i < watched.size(); ++i) {
            if (watched[i].revents != 0) take_all(watched[i].fd);
        }
    }
}

void DelayedNetwork::deliver(Instant now) {
    while (!under_way_.empty() && under_way_.begin()->first <= now) {
        const Packet packet = std::move(under_way_.begin()->second);
        under_way_.erase(under_way_.begin());
        std::uint64_t& latest = latest_[packet.way];
        {
            const std::scoped_lock lock{mutex_};
            ++counts_.carried;
            if (packet.number < latest) ++counts_.overtaken;
        }
        latest = std::max(latest, packet.number);
        static_cast<void>(!::write(ends_.at(packet.way.second).value(), packet.bytes.data(),
                                   packet.bytes.size()));
    }
}

void DelayedNetwork::take_all(int from) {
    std::array<std::uint8_t, 65536> buffer;
    while (true) {
        const ssize_t size = ::read(from, buffer.data(), buffer.size());
        if (size < 0) return;
        take(std::span{buffer}.first(static_cast<std::size_t>(size)), monotonic_now());
    }
}

void DelayedNetwork::take(std::span<const std::uint8_t> bytes, Instant now) {
    // Offsets in the header of IPv4 (RFC 791).
    constexpr std::size_t kHeader = 20;
    constexpr std::size_t kProtocol = 9;
    constexpr std::size_t kSourceLast = 15;
    constexpr std::size_t kDestinationLast = 19;
    if (bytes.size() < kHeader || bytes[0] >> 4U != 4) return;
    const Direction way{bytes[kSourceLast], bytes[kDestinationLast]};
    if (!ends_.contains(way.second)) return;
    const std::scoped_lock lock{mutex_};
    if (cut_.contains(way)) {
        ++counts_.cut;
        return;
    }
    Instant leaves = now;
    if (road_.rate) {
        constexpr Duration kRoom = std::chrono::milliseconds{100};
        Instant& free = free_[way];
        if (free > now + kRoom) return;
        free = std::max(free, now) +
               DataSize::bytes(static_cast<std::int64_t>(bytes.size())) / *road_.rate;
        leaves = free;
    }
    if (bytes[kProtocol] == IPPROTO_UDP) {
        overheard_.emplace_back(bytes.begin(), bytes.end());
        if (overheard_.size() > kMostOverheard) overheard_.pop_front();
    }
    const std::vector<Duration> copies = draws_.next();
    if (copies.empty()) ++counts_.lost;
    if (copies.size() > 1) ++counts_.doubled;
    const std::uint64_t number = ++sent_[way];
    for (const Duration takes : copies) {
        under_way_.emplace(leaves + takes, Packet{way, number, {bytes.begin(), bytes.end()}});
    }
}

}  // namespace pleat::system_test
