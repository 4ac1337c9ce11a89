// What nodes say to each other of their flows and hosts (node/run_sharing), PUB to SUB, and whole
// states when asked for. wire/state_socket.hh carries it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "model/demand.hh"
#include "model/host_status.hh"
#include "model/ids.hh"

namespace pleat {

struct FlowState {
    FlowKey flow;
    DemandState state = DemandState::gone();

    friend bool operator==(const FlowState&, const FlowState&) = default;
};

struct StateUpdate {  // all flows of this machine whose published state changed in a tick
    std::string publisher;
    std::uint64_t incarnation = 0;
    std::uint64_t sequence = 0;
    EpochId epoch;  // for diagnosis only: states are independent of epochs
    std::vector<FlowState> flows;
    HostStatuses hosts;  // of this machine, those that have changed

    friend bool operator==(const StateUpdate&, const StateUpdate&) = default;
};

// What a node has made of the states of all: with equal `epoch` and `states`, `shares` must
// be equal. For tests and for RunOptions::compare_shares.
struct SharesDigest {
    EpochId epoch;
    std::uint64_t states = 0;
    std::uint64_t shares = 0;

    friend bool operator==(const SharesDigest&, const SharesDigest&) = default;
};

struct Heartbeat {
    std::string publisher;
    std::uint64_t incarnation = 0;
    std::uint64_t sequence = 0;  // of the last StateUpdate
    std::uint64_t digest = 0;    // of the full state
    std::optional<SharesDigest> shares;
    std::uint32_t changes = 0;  // made by hand, that are in force there

    friend bool operator==(const Heartbeat&, const Heartbeat&) = default;
};

// Between two heartbeats. It is of whoever the connection leads to.
struct Alive {
    friend bool operator==(const Alive&, const Alive&) = default;
};

using StateMessage = std::variant<StateUpdate, Heartbeat, Alive>;

}  // namespace pleat
