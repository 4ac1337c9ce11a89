// NodeDaemon: pleat-node's conversation with the controller. It knows which run is under
// way and hands it what concerns it; the run itself is NodeRun.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>

#include "node/node_run.hh"
#include "wire/control_socket.hh"

namespace pleat {

class NodeDaemon {
  public:
    NodeDaemon(boost::asio::io_context& loop, NodeOptions options);

    // Ends the run under way, if any, then the loop. Called by signals.
    void stop(const std::string& reason);

    // What the process should exit with.
    int exit_code() const { return exit_code_; }

  private:
    void receive(ControlMessage message);
    void prepare(PrepareRun prepare);
    void leave();

    boost::asio::io_context& loop_;
    NodeOptions options_;
    std::uint64_t incarnation_;
    ControlClient controller_;
    std::unique_ptr<NodeRun> run_;
    bool leaving_ = false;
    int exit_code_ = 0;
};

}  // namespace pleat
