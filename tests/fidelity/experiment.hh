// Runs of the built `pleat`, and what can be read from them afterwards.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace pleat::fidelity {

// A directory of its own, removed in the end.
class Workspace {
  public:
    // `controller`: the endpoint of one on whose machines runs take place, and `runs` where it
    // keeps them; empty: on this machine.
    explicit Workspace(std::string controller = {}, std::filesystem::path runs = {});
    ~Workspace();
    Workspace(const Workspace&) = delete;
    Workspace& operator=(const Workspace&) = delete;

    const std::filesystem::path& path() const { return path_; }

    const std::string& controller() const { return controller_; }

    const std::filesystem::path& runs() const { return runs_; }

    std::filesystem::path write(const std::string& name, const std::string& text) const;

  private:
    std::filesystem::path path_;
    std::string controller_;
    std::filesystem::path runs_;
};

// A program that is built beside this test.
std::string helper(const std::string& name);

// What one run left.
struct Run {
    nlohmann::json document;          // of --json
    std::filesystem::path directory;  // of the run
    int exit_code = -1;
    double began_wall_s = 0;  // when `pleat run` was started, seconds of the wall clock

    std::string log(const std::string& host) const;
    // Experiment time of the start of a host's application.
    double started_s(const std::string& host) const;
};

// Runs `count` times, two at once: what these experiments measure is paced by pleat, and
// each takes about half a core. Fails the test when one can't.
std::vector<Run> run_together(const Workspace& workspace, const std::string& topology, int count);
Run run_once(const Workspace& workspace, const std::string& topology);

// How many runs a figure is the median of: PLEAT_REPEAT, or 1.
int repetitions();

// So many, one after another.
std::vector<Run> run_repeatedly(const Workspace& workspace, const std::string& topology);

// Of iperf3's client, the flag for the congestion control of PLEAT_CC, by default cubic; nothing
// when that is `default`, the machine's own.
std::string congestion_control();
bool is_cubic();

// Bits per second of an iperf3 server's log (`iperf3 -s -f k -i 0.1 --forceflush`), on
// average from `from` to `to`, in seconds since its test began.
std::optional<double> received_bps(const std::string& log, double from, double to);

// A share in force, from run.db.
struct Share {
    double at_s = 0;
    std::string source;
    std::string destination;
    double bps = 0;
};

std::vector<Share> shares(const Run& run);

// How late the data plane's latest packet was in each sample interval, and what its links owed at
// the interval's end, from run.db.
struct Late {
    double until_s = 0;
    double worst_s = 0;
    double owed_s = 0;
};

std::vector<Late> lateness(const Run& run);

double median(std::vector<double> values);
double quantile(std::vector<double> values, double q);

}  // namespace pleat::fidelity
