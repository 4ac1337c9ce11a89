// TableRows: a path table as rows, of the hosts of this machine.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "bpf/shared/edt.h"
#include "model/path.hh"
#include "node/dataplane/edt/source_needs.hh"

namespace pleat {

// Rows of the sources in the order of their places, each with all destinations.
struct TableRows {
    std::size_t destinations = 0;
    std::vector<edt_path> paths;
    std::vector<edt_uplink> uplinks;  // by the LinkId of the hosts' links
    std::vector<SourceNeeds> needs;   // by place

    std::size_t sources() const { return needs.size(); }
};

// Links that leave hosts have the lowest ids (links are sorted by their first end, and
// hosts come before bridges): so their ids are their places among the uplinks.
std::size_t uplink_count(const Topology& topology);

// Writes the rows of one host; `rows` has one for each destination.
void fold_source(const PathFolder& folder, const PathTable& table, HostId source,
                 std::span<edt_path> rows);

std::vector<edt_uplink> fold_uplinks(const Topology& topology, const PathTable& table);

}  // namespace pleat
