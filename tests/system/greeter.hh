// Greeter: a server on the machine's own loopback, for hosts that reach the outside.
#pragma once

#include <string>
#include <thread>

#include "base/file_descriptor.hh"

namespace pleat::system_test {

// Says hello to all who connect to a port of 127.0.0.1, until it goes.
class Greeter {
  public:
    Greeter();
    ~Greeter();
    Greeter(const Greeter&) = delete;
    Greeter& operator=(const Greeter&) = delete;

    std::string port() const { return std::to_string(port_); }

  private:
    void serve() const;

    FileDescriptor socket_;
    std::uint16_t port_ = 0;
    std::thread thread_;
};

}  // namespace pleat::system_test
