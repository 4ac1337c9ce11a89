// Path tables and deltas as protobuf messages and back; of use to wire/*.cc only.
#pragma once

#include <optional>

#include "model/path_table.hh"
#include "wire/refusal.hh"

namespace pleat::proto {
class PathTable;
class PathTableDelta;
}  // namespace pleat::proto

namespace pleat::codec {

void put(const PathTable& table, proto::PathTable& out);
// Nothing when it is refused. Every tree of the result leads to its source.
std::optional<PathTable> path_table(const proto::PathTable& in, const Topology& topology,
                                    Refusal& refusal);

void put(const PathTableDelta& delta, proto::PathTableDelta& out);
PathTableDelta path_table_delta(const proto::PathTableDelta& in, Refusal& refusal);

}  // namespace pleat::codec
