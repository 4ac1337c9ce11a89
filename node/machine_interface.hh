// The machine's own interface of a run whose hosts are machines as they are (model/bare_metal.hh):
// which one it is, that it can be had, and how what it has now is put back.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/interface_undo.hh"
#include "model/bare_metal.hh"
#include "model/ids.hh"
#include "node/dataplane/data_plane.hh"
#include "wire/messages.hh"

namespace pleat {

struct OwnMachine {
    std::string interface;  // empty: the hosts have namespaces of their own
    std::vector<std::uint16_t> spared_ports;

    bool is_host() const { return !interface.empty(); }

    std::optional<BareMetal> bare_metal() const;
};

// Of a run's control connections: endpoints.
struct ControlConnections {
    const std::string& controller;
    std::string way;  // our own
    NodeAddress own;
    const std::vector<Peer>& peers;
    const std::vector<std::uint16_t>& more;  // ports that must be spared with these
};

// Of these hosts (one, if it is the machine) on this machine. Throws Failure when the machine has
// not the address.
OwnMachine own_machine(const Scenario& scenario, const AddressPlan& addresses,
                       const std::vector<HostId>& hosts, const ControlConnections& control);

// What the interface has now, written into the run's runtime directory. To be called before
// anything is changed. Throws Failure when a run has it already.
void note_interface(const std::string& interface, const std::string& runtime_directory);

// At the end: undoes what a plane has not.
void settle_interface(const std::string& runtime_directory);

}  // namespace pleat
