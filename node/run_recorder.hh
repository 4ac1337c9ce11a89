// RunRecorder: this node's part of the run log, in experiment time.
#pragma once

#include <string>

#include "base/clock.hh"
#include "wire/log_file.hh"
#include "wire/messages.hh"

namespace pleat {

class RunRecorder {
  public:
    explicit RunRecorder(std::string path) : log_{std::move(path)} {}

    // Before this is known, times are those since the epoch of the machine's clock, and
    // nothing is recorded.
    void begin(Instant t0) {
        t0_ = t0;
        begun_ = true;
    }

    bool begun() const { return begun_; }

    ExperimentTime at(Instant instant) const { return ExperimentTime{instant - t0_}; }

    Instant instant(ExperimentTime at) const { return t0_ + at.time_since_epoch(); }

    void write(const LogRecord& record) {
        if (begun_) log_.write(record);
    }

    // Why the disk does not take it, when it does not.
    Result<void> flush() { return log_.flush(); }

    const std::string& path() const { return log_.path(); }

    std::uint64_t lost_records() const { return log_.lost_records(); }

  private:
    LogWriter log_;
    Instant t0_{};
    bool begun_ = false;
};

}  // namespace pleat
