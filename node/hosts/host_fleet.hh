// HostFleet: this machine's hosts: their namespaces, keepers and applications.
// Each host is one keeper process (see keeper/protocol.hh) that holds the network
// namespace and the TUN descriptor, starts the host's processes and outlives this one.
// Hosts of a kernel plane are joined by an underlay, which is the fleet's and the keepers'; a host
// that is the machine itself has neither namespaces nor an underlay.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "base/clock.hh"
#include "model/addressing.hh"
#include "model/scenario.hh"
#include "node/dataplane/data_plane.hh"
#include "node/hosts/takeover.hh"
#include "node/underlay/vxlan.hh"

namespace pleat {

struct FleetOptions {
    std::string run;                                         // mark of everything that is made
    std::string run_directory;                               // logs/ is here
    std::string runtime_directory;                           // sockets and the ledger are here
    std::string keeper_program;                              // path of pleat-keeper
    AttachmentKind attachment = AttachmentKind::tun_device;  // what the data plane wants
    // The hosts are this machine itself, whose own interface this is; empty: namespaces.
    std::string machine_interface = {};
    bool takeover = false;  // of it: see KernelInterface
    Duration ready_deadline = std::chrono::seconds{30};
    Duration keeper_deadline = std::chrono::seconds{10};  // for namespaces, and for an exec
    Duration keeper_grace = std::chrono::seconds{30};     // a keeper lives without a node so long
};

// The exec of a host's application succeeded, at this instant.
struct HostStarted {
    HostId host;
    Instant at;
};

struct HostReady {
    HostId host;
    Instant at;
};

// The application ended (wait status as of waitpid), or could not be started.
struct HostExited {
    HostId host;
    Instant at;
    std::optional<int> exit_code;  // 128 + n when a signal ended it; nothing: not started
    std::string problem;           // "cannot execute 'iperf4': No such file or directory"
};

// A process of `exec HOST -- CMD` ended.
struct ExecEnded {
    HostId host;
    std::uint32_t token = 0;
    int exit_code = 0;
};

// The keeper died although nobody told it to: the host is gone.
struct HostLost {
    HostId host;
    std::string reason;
};

using HostReport = std::variant<HostStarted, HostReady, HostExited, ExecEnded, HostLost>;

class HostFleet {
  public:
    // Reports are called from the loop.
    HostFleet(boost::asio::io_context& loop, FleetOptions options,
              std::function<void(const HostReport&)> report);
    ~HostFleet();  // ends every keeper that is left, and waits for it (bounded)

    // Before create(): hosts of other machines are reached by VXLAN.
    void reach_machines(VxlanSettings vxlan);

    // Makes the namespaces of these hosts, in parallel, and returns their interfaces.
    // Throws Failure with what was attempted; then nothing is left behind.
    std::vector<HostPort> create(const Scenario& scenario, const AddressPlan& addresses,
                                 const std::vector<HostId>& hosts);

    // Instead of create(), after the node daemon was restarted: takes over the hosts as they
    // run, and the underlay, which are no more in `left`. What they reported meanwhile is
    // reported now; of `hosts` those whose keepers have not answered are reported lost, and have
    // no port. Throws Failure when they are attached as another data plane wants it.
    std::vector<HostPort> adopt(const Scenario& scenario, const AddressPlan& addresses,
                                const std::vector<HostId>& hosts, LeftHosts& left);

    // Has every keeper hold a copy of this descriptor as long as it lives, for LeftHosts::held.
    void hold(const std::string& name, int descriptor);

    // Starts the host's application; a HostStarted or HostExited follows, and with a
    // `ready:` condition a HostReady (without one: together with HostStarted).
    void start(HostId host);
    // SIGTERM to all of the host's processes, SIGKILL after 2 s.
    void stop(HostId host);
    // SIGKILL to all of the host's processes, at once.
    void crash(HostId host);
    void pause(HostId host);   // SIGSTOP to all
    void resume(HostId host);  // SIGCONT to all
    void execute(HostId host, std::uint32_t token, const std::vector<std::string>& arguments);

    bool running(HostId host) const;  // an application is there

    // Ends all applications (SIGTERM, 2 s, SIGKILL), then `done`. Reports of exits come first.
    void end_applications(std::function<void()> done);
    // Ends keepers and with them namespaces; then `done`.
    void dissolve(std::function<void()> done);

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace pleat
