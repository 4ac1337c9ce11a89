// HostCommands: commands that run on a host beside its application: of events, of operators
// (`pleat exec`) and of the end of a run.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "model/ids.hh"
#include "node/hosts/host_fleet.hh"
#include "node/repeating_timer.hh"

namespace pleat {

class HostCommands {
  public:
    // Both must outlive it. Outputs are kept in logs/ of the directory while a command runs.
    HostCommands(boost::asio::io_context& loop, HostFleet& fleet, std::string run_directory);

    // An event's: it writes into the host's log.
    void execute(HostId host, const std::vector<std::string>& arguments);

    // An operator's: `told` gets what it writes while it does, and at last its exit code, unless
    // the run ends before.
    using Told = std::function<void(std::optional<int> exit_code, std::string output)>;
    void execute(HostId host, std::vector<std::string> arguments, Told told);

    // It writes into the host's log; `done` is told its exit code.
    void execute_logged(HostId host, const std::vector<std::string>& arguments,
                        std::function<void(int exit_code)> done);

    // Whether somebody was told.
    bool ended(const ExecEnded& ended);

  private:
    struct Executing {
        std::string file;  // its output; empty: in the host's log
        Told told;
        std::uint64_t offset = 0;      // of what has been told
        std::optional<int> exit_code;  // when it has ended
    };

    // Nothing is left to tell.
    static bool tell(Executing& each);
    void tell_all();

    HostFleet& fleet_;
    std::string run_directory_;
    std::uint32_t last_token_ = 0;
    std::map<std::uint32_t, Executing> executing_;  // by token: those that somebody waits for
    RepeatingTimer timer_;                          // while outputs may grow
};

}  // namespace pleat
