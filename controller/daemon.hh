// ControllerDaemon: wires the store, the control connection, the nodes that have said
// hello and the sessions of the runs under way.
//
// (1) A message of a node belongs to the run that it names; one of a run that is not
//     under way is stale and dropped.
// (2) A node has one name, and a name one node: a second one is refused while the first
//     is connected.
// (3) On tcp:// a peer is what its key says (controller/members.hh): a machine says Hello
//     under its name and reports, an operator gives orders, a token joins. All else is
//     dropped and counted. On ipc:// everybody may do everything: the directory's mode is
//     the guard.
// (4) Hosts of runs that are not over are spoken for: a machine takes so many hosts as it
//     says, those of all runs together.
// (5) A run that was submitted detached goes on when the command line goes away.
// (6) Trouble stays where it is: what goes wrong with an order (the disk of the store is full) is
//     told to who gave it, what goes wrong in a run ends that run.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "controller/run_session.hh"

namespace pleat {

struct ControllerOptions {
    std::vector<std::string> endpoints;  // ipc:///…, tcp://ADDRESS:PORT
    std::string state_directory;         // the store and the key are here
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

    // Ends the runs under way, then is done; a second call does not wait for them.
    void stop(const std::string& reason);

    // Where it listens, in the order of the options.
    std::vector<std::string> endpoints() const;

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace pleat
