// Which TCP ports of the present network namespace have a listening socket, asked of the
// kernel by sock_diag: no connection is ever made.
#pragma once

#include <cstdint>

#include "base/file_descriptor.hh"

namespace pleat::keeper {

class ListeningSockets {
  public:
    ListeningSockets();  // throws when the kernel has no sock_diag

    // At any address, of IPv4 or IPv6.
    bool any_on(std::uint16_t port) const;

  private:
    bool any_on(std::uint16_t port, std::uint8_t family) const;

    FileDescriptor socket_;
};

}  // namespace pleat::keeper
