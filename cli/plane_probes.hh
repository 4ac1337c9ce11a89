// What this machine lacks for each data plane, asked of pleat-node, which has the planes.
#pragma once

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

// What `pleat-node --probe-planes` prints (node/dataplane/open_plane.hh). Lines that are of
// no plane that we know are left out.
std::vector<PlaneProbe> parse_plane_probes(std::string_view lines);

// Runs it; what it says within `patience`, or why it said nothing.
Result<std::vector<PlaneProbe>> probe_planes(const std::string& node_program, Duration patience);

// The plane of a run that asks for nothing special.
std::variant<PlaneChoice, PlaneRefusal> choice_among(const std::vector<PlaneProbe>& probes);

}  // namespace pleat
