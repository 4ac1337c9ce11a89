// FlowShape: everything that a table says about one flow: its path, and the access links
// whose own clocks it must keep to.
#pragma once

#include <functional>
#include <optional>

#include "model/path_element.hh"
#include "model/path_table.hh"

namespace pleat {

struct AccessShape {
    LinkId link{};
    Bandwidth bandwidth = Bandwidth::unlimited();
    Overhead overhead{};
    DataSize queue = DataSize::bytes(0);

    friend bool operator==(const AccessShape&, const AccessShape&) = default;
};

struct FlowShape {
    PathShape path{};
    AccessShape uplink{};                   // the path's first link
    std::optional<AccessShape> downlink{};  // its last; nothing when that is the first, too

    friend bool operator==(const FlowShape&, const FlowShape&) = default;
};

// The shape of a flow by the table in force; nothing when unreachable.
using ShapeOfFlow = std::function<std::optional<FlowShape>(FlowKey)>;

std::optional<FlowShape> flow_shape(const PathFolder& folder, const PathTable& table, FlowKey flow);

}  // namespace pleat
