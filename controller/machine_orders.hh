// What an operator orders about machines, and how others join: each order has one answer.
#pragma once

#include <functional>
#include <string>

#include "controller/members.hh"
#include "controller/node_registry.hh"
#include "wire/keys.hh"
#include "wire/messages.hh"

namespace pleat {

class MachineOrders {
  public:
    // How many hosts of runs under way are on a machine.
    using SpokenFor = std::function<std::uint32_t(const std::string& machine)>;

    // `members` and `nodes` must outlive it.
    MachineOrders(Members& members, NodeRegistry& nodes, SpokenFor spoken_for,
                  std::function<void(const std::string& machine)> removed)
        : members_{members},
          nodes_{nodes},
          spoken_for_{std::move(spoken_for)},
          removed_{std::move(removed)} {}

    // `endpoint`: where machines reach us, with `keys`; empty when they can't.
    ControlMessage answer(const MakeToken& order, const std::string& endpoint,
                          const std::string& server_key);
    // Of one whose key is `token`.
    ControlMessage answer(const Join& join, const std::string& token);
    ControlMessage answer(const ListMachines& order) const;
    ControlMessage answer(const RemoveMachine& order);
    ControlMessage answer(const LabelMachine& order);

  private:
    Members& members_;
    NodeRegistry& nodes_;
    SpokenFor spoken_for_;
    std::function<void(const std::string& machine)> removed_;
};

}  // namespace pleat
