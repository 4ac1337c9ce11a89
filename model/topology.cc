// Reading a Topology: names to ids and back, the links of a point.
#include "model/topology.hh"

namespace pleat {

HostId Topology::host_of(VertexId v) const {
    PLEAT_ASSERT(is_host(v));
    return HostId{v.value};
}

BridgeId Topology::bridge_of(VertexId v) const {
    PLEAT_ASSERT(!is_host(v) && v.value < vertex_count());
    return BridgeId{v.value - static_cast<std::uint32_t>(hosts_.size())};
}

const std::string& Topology::name(VertexId v) const {
    if (is_host(v)) return hosts_[v.value].name;
    return bridges_[bridge_of(v).value].name;
}

std::string Topology::label(LinkId id) const {
    const auto point = [this](VertexId v) -> const std::string& {
        if (is_host(v)) return name(v);
        const Bridge& bridge = bridges_[bridge_of(v).value];
        return bridge.label.empty() ? bridge.name : bridge.label;
    };
    const Link& it = link(id);
    std::string text = point(it.from) + "->" + point(it.to);
    if (!it.name.empty()) text += '#' + it.name;
    return text;
}

std::optional<HostId> Topology::find_host(std::string_view name) const {
    const auto found = host_index_.find(std::string{name});
    if (found == host_index_.end()) return std::nullopt;
    return HostId{found->second};
}

std::optional<BridgeId> Topology::find_bridge(std::string_view name) const {
    const auto found = bridge_index_.find(std::string{name});
    if (found == bridge_index_.end()) return std::nullopt;
    return BridgeId{found->second};
}

std::span<const LinkId> Topology::out_links(VertexId v) const {
    return std::span{out_}.subspan(first_out_[v.value],
                                   first_out_[v.value + 1] - first_out_[v.value]);
}

std::span<const LinkId> Topology::in_links(VertexId v) const {
    return std::span{in_}.subspan(first_in_[v.value], first_in_[v.value + 1] - first_in_[v.value]);
}

}  // namespace pleat
