// HostCommands: commands that run on a host beside its application: of events, of operators
// (`pleat exec`) and of the end of a run.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "model/ids.hh"
#include "node/hosts/host_fleet.hh"

namespace pleat {

class HostCommands {
  public:
    // `fleet` must outlive it. Outputs are kept in logs/ of the directory while a command runs.
    HostCommands(HostFleet& fleet, std::string run_directory);

    // An event's: it writes into the host's log.
    void execute(HostId host, const std::vector<std::string>& arguments);

    // An operator's: `done` is told its exit code and what it wrote, unless the run ends before.
    using Done = std::function<void(int exit_code, std::string output)>;
    void execute(HostId host, std::vector<std::string> arguments, Done done);

    // It writes into the host's log; `done` is told its exit code.
    void execute_logged(HostId host, const std::vector<std::string>& arguments,
                        std::function<void(int exit_code)> done);

    // Whether somebody was told.
    bool ended(const ExecEnded& ended);

  private:
    struct Executing {
        std::string file;  // its output; empty: in the host's log
        Done done;
    };

    HostFleet& fleet_;
    std::string run_directory_;
    std::uint32_t last_token_ = 0;
    std::map<std::uint32_t, Executing> executing_;  // by token: those that somebody waits for
};

}  // namespace pleat
