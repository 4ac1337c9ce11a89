// NodeRun: one run on this node, from the first push to the last piece of its log.
//
//     PREPARING --hosts ready, all epochs pushed--> READY --Begin--> COUNTING --T0--> RUNNING
//         |                                           |                 |               |
//         +-------------------------------------------+-----------------+---------------+
//                                   over, or EndRun, or a failure
//                                                 |
//                                              ENDING --applications ended--> ENDED
//
// (1) Tables are prepared, each with its hash acknowledged, before HostsReady is said.
// (2) From READY on the controller is not needed; a run whose controller is lost goes on
//     to its end and dissolves.
// (3) Whatever the state, end() leads to ENDED in bounded time, and then nothing of the
//     run is left on the machine but its log.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/error.hh"
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
};

// The scenario asks for what the data plane can't do.
class Unsuitable : public Failure {
  public:
    using Failure::Failure;
};

class NodeRun {
  public:
    using Send = std::function<void(const ControlMessage&)>;

    // `send` reaches the controller; `ended` is called once, in state ENDED. Throws when
    // no data plane can be had (MissingFeature, or Unsuitable when none can do what the
    // scenario asks for) or the hosts can't be made; then nothing is left behind.
    NodeRun(boost::asio::io_context& loop, const NodeOptions& options, PrepareRun prepare,
            Send send, std::function<void()> ended);
    ~NodeRun();

    void add_epoch(PrepareEpoch epoch);
    void begin(Instant t0);
    void end(const std::string& reason, bool interrupted);

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace pleat
