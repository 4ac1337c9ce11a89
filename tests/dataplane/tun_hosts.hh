// TunHost: an emulated host for tests: a network namespace with a TUN device, in which
// programs can be run. Needs root, or a kernel that lets users make namespaces.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "model/addressing.hh"
#include "node/dataplane/data_plane.hh"

namespace pleat::testing {

// Why no such host can be made here; empty when it can. Without root it moves this process
// into a user namespace of its own, so call it before any thread is started.
std::string missing_for_tun_hosts();

// A program that runs in a namespace; it is killed when its owner goes.
class Program {
  public:
    Program(int network_namespace, const std::vector<std::string>& arguments);
    Program(Program&& other) noexcept;
    Program& operator=(Program&&) = delete;
    ~Program();

    // Reads until it ends (the test's own time limit is the deadline): what it wrote.
    std::string output();

    // Reads until it has written this.
    void await(const std::string& text);

  private:
    pid_t pid_ = -1;
    FileDescriptor pipe_;
    std::string read_;
};

class TunHost {
  public:
    TunHost(const AddressPlan& plan, HostId host);

    // For the plane; once.
    HostPort take_port() { return std::move(port_); }

    const std::string& address() const { return address_; }

    const std::string& address6() const { return address6_; }

    Program start(const std::vector<std::string>& arguments) const {
        return Program{namespace_.value(), arguments};
    }

    std::string run(const std::vector<std::string>& arguments) const {
        return start(arguments).output();
    }

    // Runs `action` on a thread that is in the namespace: its sockets stay there.
    void inside(const std::function<void()>& action) const;

    int network_namespace() const { return namespace_.value(); }

  private:
    std::string address_;
    std::string address6_;
    FileDescriptor namespace_;
    HostPort port_;
};

}  // namespace pleat::testing
