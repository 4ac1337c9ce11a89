#include "node/dataplane/edt/table_rows.hh"

#include <algorithm>

#include "node/dataplane/edt/rows.hh"

namespace pleat {

std::size_t uplink_count(const Topology& topology) {
    const std::span<const Link> links = topology.links();
    const auto end = std::ranges::find_if(
        links, [&topology](const Link& link) { return !topology.is_host(link.from); });
    return static_cast<std::size_t>(end - links.begin());
}

void fold_source(const PathFolder& folder, const PathTable& table, HostId source,
                 std::span<edt_path> rows) {
    for (std::uint32_t d = 0; d < rows.size(); ++d) {
        const std::optional<Path> path = folder.fold(table, source, HostId{d});
        if (!path || path->links.empty()) {
            rows[d] = edt_path{};
            continue;
        }
        // An unlimited link has no clock to keep to.
        const LinkId first = path->links.front();
        const bool limited = !table.link(first).properties.bandwidth.is_unlimited();
        rows[d] = path_row(*path, limited ? first.value : EDT_NO_UPLINK);
    }
}

std::vector<edt_uplink> fold_uplinks(const Topology& topology, const PathTable& table) {
    std::vector<edt_uplink> rows(uplink_count(topology));
    for (std::uint32_t i = 0; i < rows.size(); ++i) {
        rows[i] = uplink_row(table.link(LinkId{i}).properties);
    }
    return rows;
}

}  // namespace pleat
