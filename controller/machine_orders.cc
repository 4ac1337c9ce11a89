#include "controller/machine_orders.hh"

#include <map>
#include <utility>

#include <fmt/format.h>

#include "base/log.hh"
#include "controller/kept_run.hh"
#include "wire/membership.hh"

namespace pleat {

ControlMessage MachineOrders::answer(const MakeToken& order, const std::string& endpoint,
                                     const std::string& server_key) {
    if (endpoint.empty()) {
        return Refused{
            .message =
                "this controller listens for nobody but its own machine: start it with --listen "
                "tcp://ADDRESS:7400"};
    }
    if (endpoint.starts_with("tcp://0.0.0.0:") || endpoint.starts_with("tcp://[::]:")) {
        return Refused{
            .message =
                "this controller does not know by which address others reach it: start it with "
                "--listen tcp://ADDRESS:PORT of one of its addresses"};
    }
    const KeyPair token = make_key_pair();
    members_.add_token(token.public_key, order.for_operator, utc_now());
    return Token{.text = join_text({.endpoint = endpoint,
                                    .server_key = server_key,
                                    .token = token.secret_key,
                                    .for_operator = order.for_operator})};
}

ControlMessage MachineOrders::answer(const Join& join, const std::string& token) {
    const Result<void> joined = members_.join(token, join.name, join.key, utc_now());
    if (!joined) return Refused{.message = joined.error().message};
    log::info("joined name={} version={}", join.name.empty() ? "(operator)" : join.name,
              join.version);
    return Joined{.name = join.name};
}

ControlMessage MachineOrders::answer(const ListMachines& /*order*/) const {
    std::map<std::string, MachineInfo> all;
    for (const auto& [name, machine] : members_.machines()) all[name].labels = machine.labels;
    for (const auto& [name, node] : nodes_.all()) {
        MachineInfo& info = all[name];
        info.connected = node.connected;
        info.version = node.hello.version;
        info.room = node.hello.room;
        info.round_trip = node.clock.smallest_round_trip();
        if (info.round_trip) info.clock_error = node.clock.error_bound(monotonic_now());
    }
    Machines result;
    for (auto& [name, info] : all) {
        info.name = name;
        info.hosts = spoken_for_(name);
        result.machines.push_back(std::move(info));
    }
    return result;
}

ControlMessage MachineOrders::answer(const RemoveMachine& order) {
    if (spoken_for_(order.name) > 0) {
        return Refused{.message = fmt::format(
                           "machine {} has hosts of runs under way; end them first", order.name)};
    }
    if (!members_.remove_machine(order.name)) {
        return Refused{.message = "there is no machine " + order.name};
    }
    removed_(order.name);
    const Node* const node = nodes_.find(order.name);
    if (node != nullptr && node->remote) {
        node->peer.refuse("this machine was removed from the controller");
        nodes_.remove(order.name);
    }
    return Done{};
}

ControlMessage MachineOrders::answer(const LabelMachine& order) {
    if (!members_.label_machine(order.name, order.labels)) {
        return Refused{.message = "there is no machine " + order.name};
    }
    return Done{};
}

}  // namespace pleat
