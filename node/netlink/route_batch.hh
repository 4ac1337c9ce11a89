// RouteBatch: several requests to rtnetlink, sent in one packet. Without libnl, so that
// pleat-keeper stays small.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <linux/netlink.h>

#include "base/file_descriptor.hh"

namespace pleat {

// In the present network namespace, and of it also when the caller moves on. Throws.
FileDescriptor open_route_socket();

class RouteBatch {
  public:
    // Begins a request whose fixed part is `header`; `attempt` is said when it fails.
    template <typename Header>
    void request(std::string attempt, std::uint16_t type, std::uint16_t flags,
                 const Header& header) {
        begin(std::move(attempt), type, flags);
        append(&header, sizeof header);
    }

    // Adds an attribute to the request begun last.
    void attribute(std::uint16_t type, const void* content, std::size_t size);

    template <typename T>
    void attribute(std::uint16_t type, const T& value) {
        attribute(type, &value, sizeof value);
    }

    // Adds an attribute that holds others: those until the matching end_nest().
    std::size_t begin_nest(std::uint16_t type);

    // One that begins with a fixed part.
    template <typename Header>
    std::size_t begin_nest(std::uint16_t type, const Header& header) {
        const std::size_t nest = begin_nest(type);
        append(&header, sizeof header);
        return nest;
    }

    void end_nest(std::size_t nest);

    // Has the kernel do all, in order, in the namespace of the socket. Throws what the
    // first refused one attempted.
    void send(int route_socket) const;

  private:
    void begin(std::string attempt, std::uint16_t type, std::uint16_t flags);
    void append(const void* content, std::size_t size);

    std::vector<char> packet_;
    std::vector<std::string> attempts_;
    std::size_t last_ = 0;  // where the request begun last lies
};

}  // namespace pleat
