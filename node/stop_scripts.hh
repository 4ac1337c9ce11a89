// StopScripts: the `stop:` of the machines that are hosts themselves, at the end of a run, while
// what `run:` has started still runs.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/lifeline.hh"
#include "model/scenario.hh"
#include "node/host_commands.hh"

namespace pleat {

class StopScripts {
  public:
    // `commands`, `scenario` and `hosts` must outlive it. `with_applications` false: none is run.
    StopScripts(boost::asio::io_context& loop, HostCommands& commands, const Scenario& scenario,
                const std::vector<HostId>& hosts, bool with_applications);

    // Starts them all; then `done`, once, when all have ended or kStopPatience is over, with a
    // sentence about each that did not end well. Without scripts at once.
    void run(std::function<void(std::vector<std::string> problems)> done);

  private:
    void ended(HostId host, int exit_code);
    void finish();

    HostCommands& commands_;
    const Scenario& scenario_;
    const std::vector<HostId>& hosts_;
    bool with_applications_;
    std::function<void(std::vector<std::string>)> done_;
    std::vector<HostId> running_;
    std::vector<std::string> problems_;
    boost::asio::steady_timer timer_;
    Lifeline lifeline_;
};

}  // namespace pleat
