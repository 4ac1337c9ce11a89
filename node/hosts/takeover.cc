#include "node/hosts/takeover.hh"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.hh"
#include "base/run_ledger.hh"
#include "node/hosts/descriptor_room.hh"
#include "node/keeper/channel.hh"

namespace pleat {

namespace {

// Between two questions to a keeper that still has a node.
constexpr Duration kPause = std::chrono::milliseconds{20};
// Of one keeper: its socket, its pidfd, its port, and copies of all that keepers hold.
constexpr std::size_t kDescriptorsPerHost = 12;

// The conversation with one keeper, until it has given all.
class Asked {
  public:
    Asked(HostId host, std::string path, std::string hello)
        : host_{host}, path_{std::move(path)}, hello_{std::move(hello)} {}

    HostId host() const { return host_; }

    // -1: to be called again after a pause.
    int channel() const { return taken_.channel.value(); }

    // False when there is no keeper; true when it has been called, or is to be later.
    bool call() {
        if (monotonic_now() < not_before_) return true;
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        if (path_.size() >= sizeof address.sun_path) return false;
        std::memcpy(address.sun_path, path_.data(), path_.size());
        FileDescriptor socket{::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
        check("cannot make a socket", socket.value());
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): as connect() wants it
        const auto* const any = reinterpret_cast<const sockaddr*>(&address);
        if (::connect(socket.value(), any, sizeof address) != 0) return errno == EAGAIN;
        ucred peer{};
        socklen_t size = sizeof peer;
        check("cannot ask who is at " + path_,
              ::getsockopt(socket.value(), SOL_SOCKET, SO_PEERCRED, &peer, &size));
        // Nobody else can get the pid before the keeper has answered us.
        FileDescriptor pidfd{static_cast<int>(::syscall(SYS_pidfd_open, peer.pid, 0U))};
        if (!pidfd.open()) return false;
        if (keeper::send_packet(socket.value(), hello_) != keeper::SendResult::sent) return true;
        taken_.pid = peer.pid;
        taken_.pidfd = std::move(pidfd);
        taken_.channel = std::move(socket);
        return true;
    }

    // Nothing as long as there is more to come.
    std::optional<TakenOver> hear() {
        while (taken_.channel.open()) {
            keeper::Received received = keeper::receive_packet(taken_.channel.value());
            if (received.what == keeper::Received::What::nothing) return std::nullopt;
            const auto report = keeper::decode_report(received.packet);
            if (received.what == keeper::Received::What::lost || !report) break;
            if (const auto* const up = std::get_if<keeper::Up>(&*report)) {
                taken_.up = *up;
                taken_.port = std::move(received.descriptor);
            } else if (const auto* const held = std::get_if<keeper::Held>(&*report)) {
                taken_.held.insert_or_assign(held->name, std::move(received.descriptor));
            } else {
                break;
            }
            if (taken_.port.open() && taken_.held.size() >= taken_.up.held) {
                return std::move(taken_);
            }
        }
        // It has another node, or speaks another protocol: perhaps not for long.
        taken_ = TakenOver{};
        not_before_ = monotonic_now() + kPause;
        return std::nullopt;
    }

  private:
    HostId host_;
    std::string path_;
    std::string hello_;
    Instant not_before_;
    TakenOver taken_;
};

}  // namespace

std::map<HostId, TakenOver> take_over(const std::string& mark,
                                      const std::map<HostId, std::string>& sockets,
                                      Duration patience) {
    const auto hello = keeper::encode(keeper::Request{keeper::Hello{mark}});
    PLEAT_ASSERT(hello);
    std::map<HostId, TakenOver> result;
    std::vector<Asked> asked;
    asked.reserve(sockets.size());
    for (const auto& [host, path] : sockets) asked.emplace_back(host, path, *hello);
    const Instant deadline = monotonic_now() + patience;
    while (true) {
        std::erase_if(asked, [](Asked& one) { return one.channel() < 0 && !one.call(); });
        if (asked.empty() || monotonic_now() >= deadline) return result;
        std::vector<pollfd> waits;
        waits.reserve(asked.size());
        for (const Asked& one : asked) waits.push_back({one.channel(), POLLIN, 0});
        const bool all_called =
            std::ranges::all_of(asked, [](const Asked& one) { return one.channel() >= 0; });
        const Duration left = deadline - monotonic_now();
        const Duration turn = all_called ? left : std::min(left, kPause);
        const auto turn_ms = std::chrono::ceil<std::chrono::milliseconds>(turn).count();
        static_cast<void>(
            ::poll(waits.data(), waits.size(), static_cast<int>(std::max<long>(turn_ms, 0))));
        std::erase_if(asked, [&result](Asked& one) {
            std::optional<TakenOver> taken = one.hear();
            if (!taken) return false;
            result.emplace(one.host(), std::move(*taken));
            return true;
        });
    }
}

std::string keeper_socket(const std::string& runtime_directory, HostId host) {
    return runtime_directory + "/hosts/" + std::to_string(host.value) + ".sock";
}

LeftHosts ask_keepers(const std::string& runtime_directory, const std::string& run,
                      const std::vector<HostId>& hosts, Duration patience) {
    make_descriptor_room(hosts.size(), kDescriptorsPerHost);
    const std::string mark = RunLedger::open(runtime_directory, run).mark();
    std::map<HostId, std::string> sockets;
    for (const HostId host : hosts) sockets[host] = keeper_socket(runtime_directory, host);
    LeftHosts left{.hosts = take_over(mark, sockets, patience), .underlay = {}, .held = {}};
    if (left.hosts.empty()) throw Failure{"no keeper of run " + run + " is there any more"};
    // Each keeper gives its copies; the first of a name is kept.
    for (auto& [host, one] : left.hosts) {
        for (auto& [name, descriptor] : one.held) {
            auto& place = name.starts_with(keeper::kUnderlay) ? left.underlay : left.held;
            place.try_emplace(name, std::move(descriptor));
        }
        one.held.clear();
    }
    return left;
}

}  // namespace pleat
