// The run log: one record an occurrence, in experiment time. wire/log_file.hh writes and reads it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "model/demand.hh"
#include "model/ids.hh"
#include "model/units.hh"

namespace pleat {

struct EventRecord {  // an epoch switch, or an event of applications
    ExperimentTime planned{};
    ExperimentTime actual{};
    std::optional<EpochId> epoch;  // when it opened one
    std::string text;
    std::optional<std::uint32_t> change = {};  // the number of the change by hand that it was

    friend bool operator==(const EventRecord&, const EventRecord&) = default;
};

struct DemandRecord {  // a state that this node published
    ExperimentTime at{};
    FlowKey flow;
    DemandState state = DemandState::gone();

    friend bool operator==(const DemandRecord&, const DemandRecord&) = default;
};

struct ShareRecord {  // a share that came into force
    ExperimentTime at{};
    FlowKey flow;
    std::uint64_t share_bps = 0;  // 2^64 - 1: unlimited

    friend bool operator==(const ShareRecord&, const ShareRecord&) = default;
};

struct SampleRecord {
    ExperimentTime at{};
    FlowKey flow;
    std::uint64_t allowed_bps = 0;
    std::uint64_t measured_bps = 0;
    std::uint64_t bytes = 0;  // since the flow was first seen

    friend bool operator==(const SampleRecord&, const SampleRecord&) = default;
};

struct HostRecord {  // a host started, became ready, ended
    ExperimentTime at{};
    HostId host;
    std::string what;  // "started", "ready", "exited 0", "killed 9"

    friend bool operator==(const HostRecord&, const HostRecord&) = default;
};

struct LatenessRecord {  // of the plane, with the samples
    ExperimentTime at{};
    Duration worst{};  // of the deliveries since the sample before
    Duration owed{};   // by its links: see DataPlane::owed()

    friend bool operator==(const LatenessRecord&, const LatenessRecord&) = default;
};

struct TotalsRecord {  // of the plane, at the end
    std::string counter;
    std::int64_t value = 0;

    friend bool operator==(const TotalsRecord&, const TotalsRecord&) = default;
};

using LogRecord = std::variant<EventRecord, DemandRecord, ShareRecord, SampleRecord, HostRecord,
                               TotalsRecord, LatenessRecord>;

}  // namespace pleat
