// The hosts, bridges and links of a draft as a Topology: replicas and `shared` expanded.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "readers/scenario_draft.hh"

namespace pleat {

struct ExpandedTopology {
    Topology topology;
    std::vector<std::string> traces;  // "link a->b: trace=FILE"
};

// Reports what is wrong, and leaves it out as far as it can: later checks go on.
std::optional<ExpandedTopology> expand_topology(const ScenarioDraft& draft, std::uint32_t source,
                                                Report& report);

// Reports a name that does not exist: as an error, or, when the draft is incomplete, not.
void report_unknown(const ScenarioDraft& draft, Place place, const std::string& message,
                    const std::string& suggest, Report& report);

}  // namespace pleat
