// Hosts of an underlay as bare network namespaces, and what they send to each other.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/file_descriptor.hh"
#include "node/keeper/interface.hh"

namespace pleat::testing {

constexpr std::uint32_t kFirstAddress = 0x0a000001;

FileDescriptor make_namespace();

// False, with a warning, where no namespaces can be made.
bool can_make_namespaces();

// 10.0.0.1 and fd00::1 for host 0, and so on.
keeper::Interface interface_of(std::uint32_t host);

// The exit code of a program in a namespace; its output is the test's.
int run_in(int network_namespace, const std::vector<std::string>& arguments);

FileDescriptor socket_in(int network_namespace, int family, int type);

sockaddr_in6 address_of(std::uint32_t host, std::uint16_t port, int family);

const sockaddr* any(const sockaddr_in6& address);

struct PluggedHost {
    std::uint32_t host = 0;
    int network_namespace = -1;
};

// Bytes that arrive at `to` of what `from` sends in one TCP connection.
std::size_t send_by_tcp(const PluggedHost& from, const PluggedHost& to, int family,
                        std::size_t size);

}  // namespace pleat::testing
