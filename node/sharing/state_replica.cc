#include "node/sharing/state_replica.hh"

#include <algorithm>

namespace pleat {

namespace {

using std::chrono::milliseconds;

constexpr Duration kFirstPatience = milliseconds{200};
constexpr Duration kMostPatience = milliseconds{3200};

// (4) Three heartbeats less the time between two calls of tick().
constexpr Duration kLease = milliseconds{2900};

// More than a snapshot's round trip can let gather: what is lost beyond is a gap again.
constexpr std::size_t kMostWaiting = 1024;

}  // namespace

// The publisher as of this incarnation; nullptr when a later one is known.
StateReplica::Publisher* StateReplica::listen(const std::string& name, std::uint64_t incarnation,
                                              Instant now, Actions& actions) {
    const auto found = publishers_.find(name);
    if (found == publishers_.end() || found->second.incarnation < incarnation) {
        if (found != publishers_.end()) actions.emplace_back(DropStates{name});
        Publisher& fresh = publishers_[name];
        fresh = Publisher{};
        fresh.incarnation = incarnation;
        fresh.heard = now;
        return &fresh;
    }
    if (found->second.incarnation > incarnation) return nullptr;
    found->second.heard = now;
    return &found->second;
}

void StateReplica::ask(const std::string& name, Publisher& publisher, Instant now,
                       Actions& actions) {
    if (publisher.ask_again_at) return;
    publisher.patience = kFirstPatience;
    publisher.ask_again_at = now + publisher.patience;
    actions.emplace_back(AskSnapshot{name});
}

void StateReplica::apply(const std::string& name, Publisher& publisher, const StateUpdate& update,
                         Actions& actions) {
    for (const FlowState& flow : update.flows) publisher.states.set(flow.flow, flow.state);
    for (const auto& [host, status] : update.hosts) publisher.hosts[host] = status;
    if (update.flows.empty() && update.hosts.empty()) return;
    actions.emplace_back(ApplyStates{name, update.flows, update.hosts});
}

StateReplica::Actions StateReplica::receive(StateUpdate update, Instant now) {
    Actions actions;
    const std::string name = update.publisher;
    Publisher* const publisher = listen(name, update.incarnation, now, actions);
    if (publisher == nullptr || update.sequence <= publisher->sequence) return actions;
    if (!publisher->ask_again_at && update.sequence == publisher->sequence + 1) {
        publisher->sequence = update.sequence;
        apply(name, *publisher, update, actions);
        return actions;
    }
    if (publisher->waiting.size() < kMostWaiting) publisher->waiting.push_back(std::move(update));
    ask(name, *publisher, now, actions);
    return actions;
}

StateReplica::Actions StateReplica::receive(const Heartbeat& heartbeat, Instant now) {
    Actions actions;
    Publisher* const publisher = listen(heartbeat.publisher, heartbeat.incarnation, now, actions);
    if (publisher == nullptr || heartbeat.sequence < publisher->sequence) return actions;
    const bool same = heartbeat.sequence == publisher->sequence &&
                      heartbeat.digest == digest_with(publisher->states.digest(), publisher->hosts);
    if (!same) ask(heartbeat.publisher, *publisher, now, actions);
    return actions;
}

void StateReplica::receive_alive(const std::string& publisher, Instant now) {
    const auto found = publishers_.find(publisher);
    if (found != publishers_.end()) found->second.heard = now;
}

StateReplica::Actions StateReplica::receive_snapshot(const StateUpdate& full, Instant now) {
    Actions actions;
    Publisher* const publisher = listen(full.publisher, full.incarnation, now, actions);
    if (publisher == nullptr || full.sequence < publisher->sequence) return actions;
    publisher->ask_again_at.reset();
    publisher->sequence = full.sequence;
    publisher->states = FlowStates{};
    publisher->hosts.clear();
    actions.emplace_back(DropStates{full.publisher});
    apply(full.publisher, *publisher, full, actions);
    apply_waiting(full.publisher, *publisher, now, actions);
    return actions;
}

void StateReplica::apply_waiting(const std::string& name, Publisher& publisher, Instant now,
                                 Actions& actions) {
    std::vector<StateUpdate> waiting = std::move(publisher.waiting);
    publisher.waiting.clear();
    for (StateUpdate& update : waiting) {
        if (update.sequence <= publisher.sequence) continue;
        if (update.sequence == publisher.sequence + 1) {
            publisher.sequence = update.sequence;
            apply(name, publisher, update, actions);
            continue;
        }
        publisher.waiting.push_back(std::move(update));
    }
    if (!publisher.waiting.empty()) ask(name, publisher, now, actions);
}

StateReplica::Actions StateReplica::tick(Instant now) {
    Actions actions;
    for (auto it = publishers_.begin(); it != publishers_.end();) {
        auto& [name, publisher] = *it;
        if (now - publisher.heard > kLease) {
            actions.emplace_back(DropStates{.publisher = name, .lost = true});
            it = publishers_.erase(it);
            continue;
        }
        if (publisher.ask_again_at && now >= *publisher.ask_again_at) {
            publisher.patience = std::min<Duration>(publisher.patience * 2, kMostPatience);
            publisher.ask_again_at = now + publisher.patience;
            actions.emplace_back(AskSnapshot{name});
        }
        ++it;
    }
    return actions;
}

bool StateReplica::in_step(const std::string& publisher) const {
    const auto found = publishers_.find(publisher);
    return found != publishers_.end() && !found->second.ask_again_at;
}

}  // namespace pleat
