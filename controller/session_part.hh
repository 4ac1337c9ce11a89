// SessionPart: what a session knows of one machine's part in its run.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "controller/clock_measurement.hh"
#include "controller/planner.hh"
#include "model/clock_drift.hh"
#include "wire/log_file.hh"

namespace pleat {

// The node's answers to tables, checked.
class TableAcknowledgements {
  public:
    TableAcknowledgements(std::uint32_t version, std::vector<std::uint64_t> hashes);

    // Fails when the table is none of ours, or has another hash.
    Result<void> add(const Prepared& prepared, const std::string& who);

    bool any() const { return left_ < hashes_.size(); }

    bool complete() const { return left_ == 0; }

  private:
    std::uint32_t version_;
    std::vector<std::uint64_t> hashes_;  // by epoch
    std::vector<bool> acknowledged_;     // by epoch
    std::size_t left_;
};

// The node's log as it comes. Pieces may come twice, or get lost with a connection: what is
// known already is passed over, and what is behind a gap has to come again.
class NodeLog {
  public:
    // Records that came before the damage, if any, are told. Fails once.
    Result<void> add(const LogChunk& chunk, const std::function<void(const LogRecord&)>& record);
    Result<void> end(const LogEnd& end);

    // So much is here.
    std::uint64_t size() const { return bytes_; }

    // Would the pieces from size() on make it whole?
    bool lacks(const LogEnd& end) const { return !broken_ && bytes_ < end.size; }

  private:
    LogDecoder decoder_;
    std::uint64_t bytes_ = 0;
    bool broken_ = false;
};

struct SessionPart {
    SessionPart(const MachinePart& planned, const RunPlan& plan)
        : part{planned}, tables{plan.epochs.base.version(), table_hashes(plan.epochs)} {}

    // Has its node a run that it must be told the end of?
    bool open() const { return has_run && !over; }

    const MachinePart& part;  // of the plan
    std::optional<Hello> hello;
    std::string way;       // where its end of the tunnel is; empty: not open
    VxlanEnd vxlan;        // beside it
    bool has_run = false;  // was told to prepare it
    TableAcknowledgements tables;
    std::optional<HostsReady> ready;
    ClockMeasurement clock;
    ClockDrift drift;                  // of that clock, since T0
    Instant t0;                        // announced last, on its clock
    bool accepted = false;             // the T0 announced last
    Instant heard;                     // the last sign of life
    bool silent = false;               // it said nothing for long; it may come back
    bool connected = true;             // as far as is known
    std::optional<Progress> progress;  // since the last one that was shown
    bool ended = false;                // said RunEnded
    ControlTraffic control;
    NodeLog log;
    std::uint32_t asked_again = 0;  // for its log
    bool over = false;              // its log is here, or it is lost: nothing more will come
};

}  // namespace pleat
