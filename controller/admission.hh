// Whether a run that was submitted is taken: it has a name of its own, machines have room for its
// hosts, and the network between them can carry it.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "controller/active_runs.hh"
#include "controller/members.hh"
#include "controller/node_registry.hh"
#include "controller/planner.hh"
#include "controller/store.hh"
#include "controller/way_orders.hh"

namespace pleat {

struct Admitted {
    RunPlan plan;
    std::vector<std::string> notes;  // what its owner should know of the network
};

// What there is beside it.
struct AdmissionFacts {
    Store& store;
    const Members& members;
    const NodeRegistry& nodes;
    const WayOrders& ways;
    ActiveRuns& runs;
    const std::string& state_directory;  // a run without a directory of its own gets one here
};

std::variant<Admitted, Refused> admit(Submit submit, const AdmissionFacts& facts);

}  // namespace pleat
