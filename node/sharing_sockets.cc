#include "node/sharing_sockets.hh"

#include <algorithm>
#include <utility>

namespace pleat {

SharingSockets::SharingSockets(boost::asio::io_context& loop, const std::string& states,
                               const std::string& snapshots, std::optional<KeyPair> keys)
    : loop_{loop},
      keys_{std::move(keys)},
      states_{loop, states,
              [this](const std::string& run) {
                  const auto member = members_.find(run);
                  if (member != members_.end()) member->second.greet();
              },
              guard()},
      snapshots_{loop, snapshots,
                 [this](const std::string& run) -> std::optional<StateUpdate> {
                     const auto member = members_.find(run);
                     if (member == members_.end()) return {};
                     return member->second.state();
                 },
                 guard()} {}

std::optional<Guard> SharingSockets::guard() const {
    if (!keys_) return {};
    return Guard{.keys = *keys_, .admits = [this](const std::string& key) { return admits(key); }};
}

bool SharingSockets::admits(const std::string& key) const {
    return std::ranges::any_of(members_, [&key](const auto& member) {
        return std::ranges::find(member.second.peer_keys, key) != member.second.peer_keys.end();
    });
}

NodeAddress SharingSockets::address() const {
    return {.states = states_.endpoint(),
            .snapshots = snapshots_.endpoint(),
            .key = keys_ ? keys_->public_key : std::string{}};
}

void SharingSockets::add(const std::string& run, Member member) {
    members_.insert_or_assign(run, std::move(member));
}

void SharingSockets::remove(const std::string& run) {
    members_.erase(run);
}

std::size_t SharingSockets::publish(const std::string& run, const StateMessage& message) {
    return states_.publish(run, message);
}

StateSubscriber SharingSockets::subscriber(const std::string& run,
                                           std::function<void(StateMessage)> on_message) const {
    return {loop_, run, std::move(on_message), keys_, &connections_};
}

SnapshotClient SharingSockets::snapshot_client(const NodeAddress& peer, const std::string& run,
                                               std::function<void(StateUpdate)> on_state) const {
    return {loop_, peer, run, std::move(on_state), keys_, &connections_};
}

}  // namespace pleat
