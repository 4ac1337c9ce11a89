// WayOrders: what the controller knows of the network between its machines, and what operators
// ask about it: to measure it, and whether it could carry a placement.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controller/members.hh"
#include "controller/network_check.hh"
#include "controller/node_registry.hh"
#include "controller/way_check.hh"

namespace pleat {

class WayOrders {
  public:
    // How many hosts of runs under way are on a machine.
    using SpokenFor = std::function<std::uint32_t(const std::string& machine)>;

    // `store`, `members` and `nodes` must outlive it.
    WayOrders(Store& store, const Members& members, NodeRegistry& nodes, SpokenFor spoken_for);

    // The answer follows, once all pairs are measured.
    void check(const Caller& caller, const CheckMachines& order, Instant now);

    // Would hosts be placed, and could the network carry it, beside the runs that are there?
    ControlMessage check(const Scenario& scenario, const std::vector<RunRates*>& others) const;

    // False when it is no message of a measurement.
    bool receive(const std::string& machine, const std::string& name, const ControlMessage& message,
                 Instant now);
    void node_gone(const std::string& machine, Instant now);

    // The present measurement, if any, is none: who asked for it is told why.
    void give_up(const std::string& why);

    // When tick() wants to be called; nothing: never.
    std::optional<Instant> deadline() const;
    void tick(Instant now);

    // Of the machines that there are.
    const WaysByMachines& known() const { return known_; }

    // Of a removed machine nothing is known.
    void forget(const std::string& machine);

  private:
    void measured(const WayCheck::Pair& pair, const std::optional<WayQuality>& quality,
                  const std::string& problem);
    void tell_if_finished();
    Ways ways_between(const std::set<std::string>& machines) const;

    Store& store_;
    const Members& members_;
    NodeRegistry& nodes_;
    SpokenFor spoken_for_;
    WaysByMachines known_;
    std::optional<WayCheck> check_;
    Caller asker_;
    Ways found_;  // of the present check
    std::uint64_t checks_ = 0;
};

}  // namespace pleat
