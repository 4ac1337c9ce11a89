// NodeDaemon: pleat-node's conversation with the controller. It knows which runs are under
// way and hands each what concerns it; a run itself is NodeRun.
//
// (1) Hello is said each time the connection has been made: a controller that was started
//     anew, or had lost us, knows us again, and our runs. What waited meanwhile is sent
//     before it.
// (2) A machine of a cluster makes the directories of its part of a run itself.
// (3) A node that is started anew takes over the runs whose journals it finds: that of `pleat
//     run` in its runtime directory, a machine of a cluster in those of the runs that its
//     state directory names. There it listens at the ports of before, for the peers of
//     these runs know no others.
// (4) What an ended run has come to is kept until the controller says Forget, and told again
//     when it says Collect; on a machine of a cluster it outlives this process.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/run_ledger.hh"
#include "node/node_run.hh"
#include "node/way_measurement.hh"
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
        std::optional<RunJournal> journal;
        std::string directory;
        std::unique_ptr<NodeRun> run;
        bool unwanted = false;  // the controller has said Forget already
    };

    SharingSockets open_sharing();
    SharingSockets open_known_sharing(const std::string& any_port) const;
    std::string sharing_file() const;
    void write_sharing_file() const;
    ClientConnection connection();
    void say_hello();
    void wait_for_controller(Duration patience);
    void receive(const std::string& run, ControlMessage message);
    void make_place(PrepareRun& prepare, Part& part) const;
    void read_ended_runs();
    void take_over();
    bool take_over(JournaledRun left, Part& part);
    NodeRun::Send sender(const std::string& run);
    NodeRun::Ended ender(const std::string& run);
    void collect(const std::string& run, std::uint64_t offset);
    void end(const std::string& run, EndedRun ended);
    void dissolve(const std::string& run);
    void forget(const std::string& run);
    std::string ended_file(const std::string& run) const;
    void prepare(PrepareRun prepare);
    // Nothing when there is no such run here.
    NodeRun* find(const std::string& run) const;
    void open_way(const std::string& run);
    void measure(const std::string& name, const MeasureWay& order);
    bool reaches_machines();
    void answer(const ReadOutput& question);
    void answer(RunOnHost question);
    void leave();

    boost::asio::io_context& loop_;
    NodeOptions options_;
    std::uint64_t incarnation_;
    boost::asio::steady_timer patience_;  // with a controller that has never answered
    bool same_ports_ = true;              // for sharing, as the node daemon before us had
    SharingSockets sharing_;
    ControlClient controller_;
    std::map<std::string, Part> runs_;
    std::map<std::string, EndedRun> ended_;
    std::map<std::string, RunWays> ways_;  // of runs that are to be prepared, and of measurements
    std::map<std::string, std::unique_ptr<WayMeasurement>> measurements_;  // under way
    std::optional<bool> reaches_machines_;  // with a kernel plane; nothing: not tried yet
    bool greeted_ = false;
    bool leaving_ = false;
    int exit_code_ = 0;
};

}  // namespace pleat
