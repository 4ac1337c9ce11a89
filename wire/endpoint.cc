// Endpoints.
#include "wire/endpoint.hh"

#include <cerrno>
#include <cstring>
#include <string_view>

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <zmq.h>

#include "base/error.hh"
#include "base/file_descriptor.hh"

namespace pleat {

namespace {

constexpr std::string_view kIpc = "ipc://";
constexpr std::string_view kTcp = "tcp://";

[[noreturn]] void cannot_open(const std::string& endpoint, std::string_view why) {
    throw Failure{fmt::format("cannot open {}: {}", endpoint, why)};
}

sockaddr_un address_of(std::string_view path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(static_cast<char*>(address.sun_path), sizeof address.sun_path - 1);
    return address;
}

// ZeroMQ would silently take the place of a socket that is in use, and delete a file
// that is none.
void refuse_if_taken(const std::string& endpoint, const std::string& path) {
    struct stat status{};
    if (::lstat(path.c_str(), &status) != 0) return;
    if (!S_ISSOCK(status.st_mode)) cannot_open(endpoint, "there is a file of this name");
    const FileDescriptor probe{
        check("make a Unix socket", ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0))};
    const sockaddr_un address = address_of(path);
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);  // as POSIX has it
    if (::connect(probe.value(), generic, sizeof address) == 0) {
        cannot_open(endpoint, "another process listens there");
    }
}

}  // namespace

void check_endpoint(const std::string& endpoint, bool keys) {
    if (endpoint.starts_with(kIpc)) {
        const std::string_view path = std::string_view{endpoint}.substr(kIpc.size());
        constexpr std::size_t kMost = sizeof(sockaddr_un::sun_path) - 1;
        if (path.empty() || path.front() != '/') {
            throw Failure{
                fmt::format("'{}' is no endpoint: expected ipc:// and an absolute path", endpoint)};
        }
        if (path.size() > kMost) {
            throw Failure{fmt::format("'{}' is no endpoint: a socket's path has at most {} bytes",
                                      endpoint, kMost)};
        }
        return;
    }
    const std::size_t colon = endpoint.rfind(':');
    if (!endpoint.starts_with(kTcp) || colon < kTcp.size() || colon + 1 == endpoint.size()) {
        throw Failure{fmt::format("'{}' is no endpoint: expected ipc:///PATH or tcp://ADDRESS:PORT",
                                  endpoint)};
    }
    if (!keys) {
        throw Failure{fmt::format(
            "'{}': connections over TCP need keys; see `pleat machines token`", endpoint)};
    }
}

std::string path_of(const std::string& endpoint) {
    return endpoint.starts_with(kIpc) ? endpoint.substr(kIpc.size()) : std::string{};
}

void open_endpoint(const std::string& endpoint, bool keys,
                   const std::function<int(const std::string& endpoint)>& bind) {
    check_endpoint(endpoint, keys);
    const std::string path = path_of(endpoint);
    if (!path.empty()) refuse_if_taken(endpoint, path);
    if (bind(endpoint) != 0) {
        if (errno == EADDRINUSE) cannot_open(endpoint, "another process listens there");
        cannot_open(endpoint, zmq_strerror(errno));
    }
    // Who may not enter the directory can't connect; nor who may not write here.
    if (!path.empty()) check("restrict the mode of " + path, ::chmod(path.c_str(), 0600));
}

}  // namespace pleat
