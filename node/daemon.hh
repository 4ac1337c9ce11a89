// NodeDaemon: pleat-node's conversation with the controller. It knows which runs are under
// way and hands each what concerns it; a run itself is NodeRun.
//
// (1) Hello is said each time the connection has been made: a controller that was started
//     anew, or had lost us, knows us again. What waited meanwhile is sent before it.
// (2) A machine of a cluster makes the directories of its part of a run itself.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>

#include "base/run_ledger.hh"
#include "node/node_run.hh"
#include "wire/control_socket.hh"

namespace pleat {

class NodeDaemon {
  public:
    NodeDaemon(boost::asio::io_context& loop, NodeOptions options);

    // Ends the runs under way, if any, then the loop. Called by signals.
    void stop(const std::string& reason);

    // What the process should exit with.
    int exit_code() const { return exit_code_; }

  private:
    struct Part {
        std::optional<RunLedger> ledger;  // of a machine of a cluster
        std::string directory;
        std::unique_ptr<NodeRun> run;
    };

    SharingSockets open_sharing();
    ClientConnection connection();
    void say_hello();
    void receive(const std::string& run, ControlMessage message);
    void make_place(PrepareRun& prepare, Part& part) const;
    void forget(const std::string& run);
    void prepare(PrepareRun prepare);
    // Nothing when there is no such run here.
    NodeRun* find(const std::string& run) const;
    void open_way(const std::string& run);
    void answer(const ReadOutput& question);
    void answer(RunOnHost question);
    void leave();

    boost::asio::io_context& loop_;
    NodeOptions options_;
    std::uint64_t incarnation_;
    SharingSockets sharing_;
    ControlClient controller_;
    std::map<std::string, Part> runs_;
    std::map<std::string, FileDescriptor> ways_;  // of runs that are to be prepared
    bool greeted_ = false;
    bool leaving_ = false;
    int exit_code_ = 0;
};

}  // namespace pleat
