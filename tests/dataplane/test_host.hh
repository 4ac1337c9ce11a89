// TestHost: an emulated host for tests: a network namespace whose eth0 is a TUN device, or
// one end of a veth pair that is plugged into a bridge. Needs root, or a kernel that lets
// users make namespaces.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "model/addressing.hh"
#include "node/dataplane/data_plane.hh"
#include "node/netlink/in_namespace.hh"
#include "tests/dataplane/links.hh"

namespace pleat::testing {

// Why no such host can be made here; empty when it can. Without root it moves this process
// into a user namespace of its own, so call it before any thread is started.
std::string missing_for_hosts(AttachmentKind kind);

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

// What connects hosts whose packets stay in the kernel: a bridge in a namespace of its own.
class TestUnderlay {
  public:
    TestUnderlay();

    int network_namespace() const { return namespace_.value(); }

    // A veth pair from the bridge to "eth0" in the other namespace.
    void attach(HostId host, int network_namespace);

    // As if somebody removed it: the host's end goes, too.
    void remove_interface(HostId host);

  private:
    FileDescriptor namespace_;
    Links links_;
};

class TestHost {
  public:
    // With a TUN device, or attached to the underlay.
    TestHost(const AddressPlan& plan, HostId host, TestUnderlay* underlay = nullptr);

    // For the plane; once.
    HostPort take_port() { return std::move(port_); }

    const std::string& address() const { return address_; }

    const std::string& address6() const { return address6_; }

    // The other's address is known, nobody need ask for it. TUN devices need none.
    void acquaint(const TestHost& other) const;
    void acquaint(std::uint32_t ipv4) const;  // host byte order; leads nowhere

    Program start(const std::vector<std::string>& arguments) const {
        return Program{namespace_.value(), arguments};
    }

    std::string run(const std::vector<std::string>& arguments) const {
        return start(arguments).output();
    }

    // Runs `action` on a thread that is in the namespace: its sockets stay there.
    template <typename Action>
    void inside(Action&& action) const {
        in_network_namespace(namespace_.value(), std::forward<Action>(action));
    }

    int network_namespace() const { return namespace_.value(); }

    // The interfaces of the host.
    Links links() const { return Links{namespace_.value()}; }

  private:
    AddressPlan plan_;
    HostId host_;
    std::string address_;
    std::string address6_;
    bool tun_;
    Links::HardwareAddress hardware_address_{};
    FileDescriptor namespace_;
    HostPort port_;
};

}  // namespace pleat::testing
