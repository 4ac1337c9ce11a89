// NodeRun: one run on this node, from the first push to the last piece of its log.
//
//     PREPARING --hosts ready, all epochs pushed--> READY --confirmed--> COUNTING --T0--> RUNNING
//         |                                           |                     |               |
//         +-------------------------------------------+---------------------+---------------+
//                                   over, or EndRun, or a failure
//                                                 |
//                                              ENDING --applications ended--> ENDED
//
// (1) Tables are prepared, each with its hash acknowledged, before HostsReady is said.
// (2) begin() only answers whether T0 can be kept; the node starts at T0 when it is
//     confirmed before. From COUNTING on the controller is not needed; a run whose controller is
//     lost goes on to its end and dissolves.
// (3) HostsReady is said when every other node of the run has been heard, too, and the hosts
//     of all that must be ready before T0 are.
// (4) A run that was taken over, after the node daemon before this one was killed, begins as
//     RUNNING: its hosts run on, its log goes on, and what should have happened meanwhile
//     happens now. Its results say so.
// (5) Whatever the state, end() leads to ENDED in bounded time, and then nothing of the
//     run is left on the machine but its log.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/error.hh"
#include "node/ended_run.hh"
#include "node/run_journal.hh"
#include "node/run_tunnel.hh"
#include "node/run_ways.hh"
#include "node/sharing_sockets.hh"
#include "wire/membership.hh"
#include "wire/messages.hh"

namespace pleat {

struct NodeOptions {
    std::string controller;         // endpoint
    std::string name = "local";     // of this machine
    std::string runtime_directory;  // sockets and the ledger
    std::string keeper_program;     // path of pleat-keeper
    std::string data_plane;         // empty: chosen
    bool with_parent = false;       // end when the process that started us does
    bool probe_planes = false;      // say what this machine lacks for each plane, and end

    // Of a machine of a cluster (pleat-node --join). Nothing: the controller is this
    // machine's, and says where a run's directories are.
    std::optional<Membership> membership;
    std::string state_directory;             // directories of runs are made here
    std::string advertise;                   // the address at which other machines reach this one
    std::optional<std::uint32_t> room = {};  // hosts that this machine takes
    std::uint32_t processors = 1;            // that this process may use
    PortRange tunnel_ports{};                // where ends of ways are bound, two a run
    // Of TCP and UDP, never shaped on this machine's own interface, where a control connection uses
    // an address of the experiment.
    std::vector<std::uint16_t> spared_ports{22};
};

class NodeRun {
  public:
    using Send = std::function<void(const ControlMessage&)>;
    using Ended = std::function<void(EndedRun)>;

    // `ways`: where there are peers that have theirs; or closed.
    // `send` reaches the controller; `ended` is called once, in state ENDED. Throws when
    // no data plane can be had (MissingFeature, or Unsuitable when none can do what the
    // scenario asks for) or the hosts can't be made; then nothing is left behind.
    // `sockets` must outlive it.
    NodeRun(boost::asio::io_context& loop, const NodeOptions& options, SharingSockets& sockets,
            PrepareRun prepare, RunWays ways, Send send, Ended ended);
    ~NodeRun();

    // Takes over the run that a node daemon before us has left to its keepers. `ways`: of
    // reopen_tunnel_end(), where it had one. Throws Failure when that can't be.
    NodeRun(boost::asio::io_context& loop, const NodeOptions& options, SharingSockets& sockets,
            JournaledRun left, RunWays ways, Send send, Ended ended);

    void add_epoch(PrepareEpoch epoch);
    void begin(Instant t0);
    void confirm(Instant t0);
    void end(const std::string& reason, bool interrupted);
    void change(AnnounceChange change);

    // How far it is, for a controller that has not heard of it for a while.
    HeldRun held() const;
    // Runs a command on a host of ours; `done` is told its exit code and what it wrote, unless
    // the run ends before.
    using Executed = std::function<void(std::optional<int> exit_code, std::string output)>;
    void execute(const std::string& host, std::vector<std::string> arguments, Executed told);

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace pleat
