// Messages about machines, and about runs that are kept.
#pragma once

#include "wire/messages.hh"
#include "wire/refusal.hh"

namespace pleat::proto {
class Machines;
class RunDetails;
class RunInfo;
class WayQuality;
class Ways;
}  // namespace pleat::proto

namespace pleat::codec {

void put(const RunInfo& info, proto::RunInfo& out);
RunInfo run_info(const proto::RunInfo& in);

void put(const RunDetails& details, proto::RunDetails& out);
RunDetails run_details(const proto::RunDetails& in, Refusal& refusal);

void put(const Machines& machines, proto::Machines& out);
Machines machines(const proto::Machines& in);

void put(const WayQuality& quality, proto::WayQuality& out);
WayQuality way_quality(const proto::WayQuality& in, Refusal& refusal);

void put(const Ways& ways, proto::Ways& out);
Ways ways(const proto::Ways& in, Refusal& refusal);

}  // namespace pleat::codec
