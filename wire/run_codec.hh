// The large control messages of a run as protobuf messages and back; of use to
// wire/*.cc only.
#pragma once

#include <optional>
#include <string_view>

#include "wire/messages.hh"
#include "wire/refusal.hh"

namespace pleat::proto {
class ChangeResult;
class PrepareRun;
class NodeAddress;
class VxlanEnd;
class RunEnded;
class RunFinished;
class Submit;
}  // namespace pleat::proto

namespace pleat::codec {

inline constexpr std::size_t kKeySize = 32;
inline constexpr std::string_view kBadKey = "a key that is not of 32 bytes";

void put(const Submit& submit, proto::Submit& out);
Submit submit(const proto::Submit& in, Refusal& refusal);

void put(const NodeAddress& address, proto::NodeAddress& out);
NodeAddress node_address(const proto::NodeAddress& in, Refusal& refusal);

void put(const VxlanEnd& end, proto::VxlanEnd& out);
VxlanEnd vxlan_end(const proto::VxlanEnd& in, Refusal& refusal);

void put(const PrepareRun& prepare, proto::PrepareRun& out);
std::optional<PrepareRun> prepare_run(const proto::PrepareRun& in, Refusal& refusal);

void put(const RunEnded& ended, proto::RunEnded& out);
RunEnded run_ended(const proto::RunEnded& in);

void put(const ChangeResult& change, proto::ChangeResult& out);
ChangeResult change_result(const proto::ChangeResult& in);

void put(const RunFinished& finished, proto::RunFinished& out);
RunFinished run_finished(const proto::RunFinished& in, Refusal& refusal);

}  // namespace pleat::codec
