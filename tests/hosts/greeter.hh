// What tests of the outside host reach on the machine.
#pragma once

#include <arpa/inet.h>
#include <catch2/catch.hpp>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file_descriptor.hh"

namespace pleat {

// A server on the machine's loopback that says "hello" to each caller.
class Greeter {
  public:
    Greeter() : socket_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)} {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        // NOLINTBEGIN(cppcoreguidelines-pro-type-reinterpret-cast): as the calls want it
        REQUIRE(::bind(socket_.value(), reinterpret_cast<sockaddr*>(&address), size) == 0);
        REQUIRE(::listen(socket_.value(), 4) == 0);
        REQUIRE(::getsockname(socket_.value(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
        // NOLINTEND(cppcoreguidelines-pro-type-reinterpret-cast)
        port_ = ntohs(address.sin_port);
    }

    int port() const { return port_; }

    void greet() const {
        const FileDescriptor caller{::accept4(socket_.value(), nullptr, nullptr, SOCK_CLOEXEC)};
        if (caller.open()) static_cast<void>(!::write(caller.value(), "hello\n", 6));
    }

  private:
    FileDescriptor socket_;
    int port_ = 0;
};

}  // namespace pleat
