#include "node/join.hh"

#include <array>
#include <cstring>
#include <filesystem>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>

#include "base/error.hh"
#include "base/file_descriptor.hh"

namespace pleat {

namespace {

constexpr Duration kJoinPatience = std::chrono::seconds{15};

}  // namespace

std::string membership_file(const std::string& state_directory) {
    return state_directory + "/membership";
}

Result<std::string> own_address_towards(const std::string& endpoint) {
    constexpr std::string_view kTcp = "tcp://";
    const std::size_t colon = endpoint.rfind(':');
    std::string host = endpoint.substr(kTcp.size(), colon - kTcp.size());
    if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
    addrinfo hints{};
    hints.ai_socktype = SOCK_DGRAM;
    addrinfo* found = nullptr;
    if (const int problem =
            ::getaddrinfo(host.c_str(), endpoint.substr(colon + 1).c_str(), &hints, &found);
        problem != 0) {
        return fail(fmt::format("cannot find {}: {}", host, ::gai_strerror(problem)));
    }
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner{found, &::freeaddrinfo};
    // A datagram socket sends nothing when it is connected; the kernel only chooses a route.
    const FileDescriptor probe{::socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    sockaddr_storage own{};
    socklen_t size = sizeof own;
    std::array<char, NI_MAXHOST> text{};
    if (!probe.open() || ::connect(probe.value(), found->ai_addr, found->ai_addrlen) != 0 ||
        ::getsockname(probe.value(), reinterpret_cast<sockaddr*>(&own), &size) != 0 ||
        ::getnameinfo(reinterpret_cast<sockaddr*>(&own), size, text.data(), text.size(), nullptr, 0,
                      NI_NUMERICHOST) != 0) {
        return fail(fmt::format("no way leads to {}: {}", endpoint, std::strerror(errno)));
    }
    const std::string address = text.data();
    return address.find(':') == std::string::npos ? address : "[" + address + "]";
}

Result<void> become_member(NodeOptions& options, const std::string& join) {
    const std::string file = membership_file(options.state_directory);
    const bool member = std::filesystem::exists(file);
    if (member) {
        Result<Membership> kept = read_membership(file);
        if (!kept) return tl::unexpected{kept.error()};
        options.membership = *std::move(kept);
    }
    if (!join.empty()) {
        const Result<JoinString> string = parse_join(join);
        if (!string) return tl::unexpected{string.error()};
        if (string->for_operator) {
            return fail("this join string is an operator's: use it with `pleat machines join`");
        }
        if (member && options.membership->server_key != string->server_key) {
            return fail(fmt::format(
                "{} belongs to the controller at {}: give another --state, or remove {}",
                options.state_directory, options.membership->endpoint, file));
        }
        if (!member) {
            Result<Membership> joined = join_controller(*string, options.name, kJoinPatience);
            if (!joined) return tl::unexpected{joined.error()};
            write_membership(file, *joined);
            options.membership = *std::move(joined);
        }
    }
    if (!options.membership) {
        return fail(fmt::format(
            "{} is no member of a cluster yet: give --join with what `pleat machines token` prints",
            options.state_directory));
    }
    if (options.membership->name != options.name && !options.name.empty()) {
        return fail(fmt::format("this machine has joined as {}, not as {}",
                                options.membership->name, options.name));
    }
    options.name = options.membership->name;
    options.controller = options.membership->endpoint;
    if (options.advertise.empty()) {
        const Result<std::string> own = own_address_towards(options.controller);
        if (!own) return tl::unexpected{own.error()};
        options.advertise = *own;
    }
    return {};
}

}  // namespace pleat
