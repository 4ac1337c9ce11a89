#include "node/dataplane/flow_shape.hh"

namespace pleat {

namespace {

AccessShape access_shape(const PathTable& table, LinkId link, Duration rtt) {
    const LinkProperties& properties = table.link(link).properties;
    return AccessShape{.link = link,
                       .bandwidth = properties.bandwidth,
                       .overhead = properties.overhead,
                       .queue = queue_bytes(properties.queue, properties.bandwidth, rtt)};
}

}  // namespace

std::optional<FlowShape> flow_shape(const PathFolder& folder, const PathTable& table,
                                    FlowKey flow) {
    const std::optional<Path> path = folder.fold(table, flow.source, flow.destination);
    if (!path || path->links.empty()) return std::nullopt;
    FlowShape shape{.path = shape_of(*path),
                    .uplink = access_shape(table, path->links.front(), path->rtt),
                    .downlink = std::nullopt};
    if (path->links.size() > 1) {
        shape.downlink = access_shape(table, path->links.back(), path->rtt);
    }
    return shape;
}

}  // namespace pleat
