// What came of a run: told to who waits for it, kept in its run.db.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/duration.hh"
#include "model/path_table.hh"

namespace pleat {

struct HostResult {
    HostId host;
    std::string address;
    bool started = false;
    ExperimentTime started_at{};   // negative before T0
    std::optional<int> exit_code;  // 128 + n when a signal ended it
    // Ended by an event or by the end of the run: never fails it.
    bool ended_by_us = false;
    std::string log;      // relative to the run directory
    std::string problem;  // "cannot execute 'iperf4': no such file"; mostly empty

    friend bool operator==(const HostResult&, const HostResult&) = default;
};

struct EpochResult {
    EpochId epoch;
    ExperimentTime planned{};
    Duration late{};
    std::vector<std::string> events;

    friend bool operator==(const EpochResult&, const EpochResult&) = default;
};

struct FlowSeries {
    FlowKey flow;
    std::vector<ExperimentTime> at;
    std::vector<std::uint64_t> allowed_bps;
    std::vector<std::uint64_t> measured_bps;

    friend bool operator==(const FlowSeries&, const FlowSeries&) = default;
};

struct ControlTraffic {
    std::uint64_t messages_sent = 0;  // state publications and heartbeats, once each
    std::uint64_t bytes_sent = 0;     // bodies + topics

    friend bool operator==(const ControlTraffic&, const ControlTraffic&) = default;
};

// The exit code of a run that has lost a machine; see cli/exit_code.hh.
inline constexpr int kExitMachineLost = 10;

struct MachineResult {  // one machine's part in a run
    std::string name;
    std::string data_plane;
    ControlTraffic control;
    Duration clock_error{};  // its time was known within this much, from T0 to the end

    friend bool operator==(const MachineResult&, const MachineResult&) = default;
};

// A change by hand, and when it took effect.
struct ChangeResult {
    std::uint32_t number = 0;              // of the run's changes, from 1
    std::optional<std::uint32_t> version;  // of the path tables that it made
    EpochId epoch;                         // in which it took effect
    ExperimentTime at{};
    Duration late{};                   // of the machine that was latest
    std::vector<std::string> lines;    // as they were given
    std::vector<std::string> missing;  // machines that have not carried it out

    friend bool operator==(const ChangeResult&, const ChangeResult&) = default;
};

struct RunFinished {
    std::string run;
    bool failed = false;  // a main host failed, or the run could not go on
    bool interrupted = false;
    std::vector<std::string> problems;
    std::string data_plane;
    std::vector<HostResult> hosts;
    std::vector<EpochResult> epochs;
    std::vector<FlowSeries> flows;
    ControlTraffic control;               // of all machines
    std::vector<MachineResult> machines;  // by name
    int exit_code = 0;  // what `pleat run` should exit with; 0: it follows from the fields above
    std::vector<ChangeResult> changes = {};  // by number

    friend bool operator==(const RunFinished&, const RunFinished&) = default;
};

}  // namespace pleat
