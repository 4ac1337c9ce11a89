// ControllerDaemon: wires the store, the control connection and the session of the run
// under way: one run at a time, on one node.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>

#include "controller/run_session.hh"

namespace pleat {

struct ControllerOptions {
    std::string endpoint;         // ipc:///… or tcp://127.0.0.1:PORT
    std::string state_directory;  // the store is here
    SessionDeadlines deadlines;
};

class ControllerDaemon {
  public:
    // Throws Failure when the store or the endpoint can't be opened. `done` is called
    // once, from the loop, when the daemon has nothing more to do.
    ControllerDaemon(boost::asio::io_context& loop, ControllerOptions options,
                     std::function<void()> done);
    ~ControllerDaemon();
    ControllerDaemon(const ControllerDaemon&) = delete;
    ControllerDaemon& operator=(const ControllerDaemon&) = delete;

    // Ends the run under way, then is done; a second call does not wait for the run.
    void stop(const std::string& reason);

    // Where it listens.
    std::string endpoint() const;

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace pleat
