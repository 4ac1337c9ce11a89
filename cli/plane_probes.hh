// What this machine lacks for each data plane, asked of pleat-node, which has the planes.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/duration.hh"
#include "base/result.hh"
#include "model/plane_choice.hh"

namespace pleat {

struct PlaneProbe {
    PlaneKind plane = PlaneKind::tun;
    std::string missing;  // empty: it works

    friend bool operator==(const PlaneProbe&, const PlaneProbe&) = default;
};

struct PlaneProbes {
    std::vector<PlaneProbe> planes;
    // For kernel planes over several machines; empty: it works. Nothing: not told.
    std::optional<std::string> missing_for_machines;

    friend bool operator==(const PlaneProbes&, const PlaneProbes&) = default;
};

// What `pleat-node --probe-planes` prints (node/dataplane/open_plane.hh). Lines that are of
// nothing that we know are left out.
PlaneProbes parse_plane_probes(std::string_view lines);

// Runs it; what it says within `patience`, or why it said nothing.
Result<PlaneProbes> probe_planes(const std::string& node_program, Duration patience);

// The plane of a run that asks for nothing special.
std::variant<PlaneChoice, PlaneRefusal> choice_among(const std::vector<PlaneProbe>& probes);

}  // namespace pleat
