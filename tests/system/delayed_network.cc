#include "tests/system/delayed_network.hh"

#include <algorithm>
#include <array>
#include <cstring>
#include <exception>

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
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

}  // namespace

DelayedNetwork::DelayedNetwork(const Road& road)
    : road_{road}, stop_{check("make an eventfd", ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))} {}

DelayedNetwork::~DelayedNetwork() {
    if (!thread_.joinable()) return;
    const std::uint64_t one = 1;
    static_cast<void>(!::write(stop_.value(), &one, sizeof one));
    thread_.join();
}

void DelayedNetwork::add(const std::string& network_namespace, const std::string& interface,
                         std::uint8_t last) {
    ends_.emplace(last, open_tun(network_namespace, interface));
}

void DelayedNetwork::start() {
    thread_ = std::thread{[this] { run(); }};
}

void DelayedNetwork::run() {
    std::vector<pollfd> watched{{stop_.value(), POLLIN, 0}};
    for (const auto& [last, end] : ends_) watched.push_back({end.value(), POLLIN, 0});
    while (true) {
        const Instant now = monotonic_now();
        while (!under_way_.empty() && under_way_.begin()->first <= now) {
            const Packet& packet = under_way_.begin()->second;
            static_cast<void>(!::write(packet.to, packet.bytes.data(), packet.bytes.size()));
            under_way_.erase(under_way_.begin());
        }
        timespec left{1, 0};
        if (!under_way_.empty()) left = {0, (under_way_.begin()->first - now).count()};
        if (::ppoll(watched.data(), watched.size(), &left, nullptr) <= 0) continue;
        if (watched[0].revents != 0) return;
        for (std::size_t i = 1; i < watched.size(); ++i) {
            if (watched[i].revents != 0) take(watched[i].fd);
        }
    }
}

void DelayedNetwork::take(int from) {
    constexpr std::size_t kIpv4Header = 20;
    std::array<std::uint8_t, 65536> buffer;
    while (true) {
        const ssize_t size = ::read(from, buffer.data(), buffer.size());
        if (size < static_cast<ssize_t>(kIpv4Header)) return;
        const auto end = ends_.find(buffer[19]);
        if (buffer[0] >> 4U != 4 || end == ends_.end()) continue;
        const Instant now = monotonic_now();
        Instant leaves = now;
        if (road_.rate) {
            constexpr Duration kRoom = std::chrono::milliseconds{100};
            Instant& free = free_[{from, end->second.value()}];
            if (free > now + kRoom) continue;
            free = std::max(free, now) + DataSize::bytes(size) / *road_.rate;
            leaves = free;
        }
        under_way_.emplace(leaves + road_.one_way,
                           Packet{end->second.value(), {buffer.begin(), buffer.begin() + size}});
    }
}

}  // namespace pleat::system_test
