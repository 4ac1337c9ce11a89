// TestHost: an emulated host for tests: a network namespace with the interface that a
// keeper would make there: a TUN device, or one that is plugged into an underlay. Needs
// root, or a kernel that lets users make namespaces.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "model/addressing.hh"
#include "node/dataplane/data_plane.hh"
#include "node/netlink/in_namespace.hh"
#include "node/underlay/underlay.hh"
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

class TestHost {
  public:
    static constexpr const char* kInterface = keeper::kInterface;

    // With a TUN device, or plugged into the underlay.
    // Beside an outside host, to which all else goes, or as that host.
    TestHost(const AddressPlan& plan, HostId host, const Underlay* underlay = nullptr,
             std::optional<HostId> outside = std::nullopt);

    // For the plane; once.
    HostPort take_port() { return std::move(port_); }

    const std::string& address() const { return address_; }

    const std::string& address6() const { return address6_; }

    // A kernel gives a new IPv6 address its route a moment later, from a work queue; till then
    // what comes for it is dropped.
    bool has_ipv6_route() const;

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
    std::string address_;
    std::string address6_;
    FileDescriptor namespace_;
    HostPort port_;
};

}  // namespace pleat::testing
