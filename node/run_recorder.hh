// RunRecorder: this node's part of the run log, in experiment time.
//
// (1) Nothing is recorded before T0 is known, but what happens to hosts, which is kept until then.
// (2) Events, epochs and hosts are in the file at once: whoever takes the run over must know.
//     All else is there after flush().
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hh"
#include "node/dataplane/data_plane.hh"
#include "node/sharing/sharer.hh"
#include "wire/log_file.hh"
#include "wire/log_records.hh"
#include "wire/state_messages.hh"

namespace pleat {

class RunRecorder {
  public:
    explicit RunRecorder(std::string path) : log_{std::move(path)} {}

    void begin(Instant t0);

    bool begun() const { return begun_; }

    // Before T0 is known, times are those since the epoch of the machine's clock.
    ExperimentTime at(Instant instant) const { return ExperimentTime{instant - t0_}; }

    Instant instant(ExperimentTime at) const { return t0_ + at.time_since_epoch(); }

    void event(ExperimentTime planned, Instant now, const std::string& text);
    // What was changed by hand: its number of the run's changes.
    void change(ExperimentTime planned, Instant now, const std::string& text, std::uint32_t number);
    // `text`: the events that made the epoch.
    void epoch(const TableActivated& activated, ExperimentTime planned, std::string text);
    void host(HostId host, Instant at, std::string what);  // "started", "exited 1"
    void share(FlowKey flow, Bandwidth share, Instant now);
    void demands(const std::vector<FlowState>& flows, Instant now);
    void sample(const FlowSample& flow, Instant now);
    // Of the plane's latest delivery since the last sample.
    void lateness(Duration worst, Duration owed, Instant now);
    void totals(const PlaneTotals& totals);
    // What the network to other machines took, there and back; half of it was subtracted.
    void round_trips(const std::vector<std::pair<std::string, Duration>>& machines);

    void flush();

    // The first that the disk had with it: the log is incomplete.
    const std::optional<std::string>& problem() const { return problem_; }

    const std::string& path() const { return log_.path(); }

  private:
    void write(const LogRecord& record);

    LogWriter log_;
    Instant t0_{};
    bool begun_ = false;
    std::vector<std::pair<Instant, HostRecord>> before_t0_;
    std::optional<std::string> problem_;
};

// The exit code that the record of a host names, if it does.
std::optional<int> exit_code_told(const HostRecord& record);

}  // namespace pleat
