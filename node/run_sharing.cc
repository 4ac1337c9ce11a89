#include "node/run_sharing.hh"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/log.hh"
#include "base/overload.hh"

namespace pleat {

namespace {

constexpr Duration kHalfHeartbeat = std::chrono::milliseconds{500};
constexpr Duration kReplicaInterval = std::chrono::milliseconds{100};
constexpr Duration kCompany = std::chrono::milliseconds{10};

// (4)
constexpr Duration kMostSilence = std::chrono::seconds{5};
constexpr int kMostUnanswered = 2;

}  // namespace

RunSharing::RunSharing(boost::asio::io_context& loop, SharingSockets& sockets, SharingMember member,
                       const PathFolder& folder, std::shared_ptr<const PathTable> table,
                       RunSharingOutputs outputs)
    : sockets_{sockets},
      member_{std::move(member)},
      outputs_{std::move(outputs)},
      sharer_{folder, std::move(table),
              SharerOutputs{
                  .set_caps = outputs_.set_caps,
                  .publish = [this](std::vector<FlowState> flows) { publish(std::move(flows)); },
                  .share = outputs_.share}},
      heartbeat_timer_{loop, kHalfHeartbeat, [this](Instant) { sign_of_life(); }},
      replica_timer_{loop, kReplicaInterval,
                     [this](Instant now) {
                         carry_out(replica_.tick(now));
                         reopen_silent(now);
                     }},
      news_timer_{loop},
      greet_timer_{loop} {
    std::vector<std::string> keys;
    keys.reserve(member_.peers.size());
    for (const Peer& peer : member_.peers) keys.push_back(peer.address.key);
    sockets_.add(member_.run, {.state = [this] { return whole_state(); },
                               .greet = [this] { greet(); },
                               .peer_keys = std::move(keys)});
    if (alone()) return;
    for (const Peer& peer : member_.peers) {
        open_states(peer);
        open_snapshots(peer);
    }
    heartbeat_timer_.start();
    replica_timer_.start();
}

RunSharing::~RunSharing() {
    sockets_.remove(member_.run);
    if (!member_.compare_shares) return;
    log::info("digests of shares compared run={} count={}", member_.run, compared_);
}

// ---- connections

void RunSharing::open_states(const Peer& peer) {
    Connection& connection = connections_[peer.name];
    connection.states.emplace(sockets_.subscriber(
        member_.run, [this, &peer](StateMessage message) { receive(peer, std::move(message)); }));
    connection.states->connect(peer.address);
    connection.states_opened = monotonic_now();
}

void RunSharing::open_snapshots(const Peer& peer) {
    Connection& connection = connections_[peer.name];
    connection.snapshots.emplace(sockets_.snapshot_client(
        peer.address, member_.run,
        [this, &peer](const StateUpdate& full) { receive_whole(peer, full); }));
    connection.unanswered = 0;
}

void RunSharing::ask(const std::string& peer) {
    Connection& connection = connections_.at(peer);
    if (connection.unanswered == kMostUnanswered) open_snapshots(*find(peer));
    ++connection.unanswered;
    connection.snapshots->request();
}

void RunSharing::reopen_silent(Instant now) {
    for (const Peer& peer : member_.peers) {
        if (replica_.heard(peer.name)) continue;
        if (now - connections_.at(peer.name).states_opened >= kMostSilence) open_states(peer);
    }
}

// ---- what we say

void RunSharing::tell(HostId host, const HostStatus& status) {
    if (alone()) return;
    const auto known = hosts_.find(host);
    if (known != hosts_.end() && known->second == status && !news_.contains(host)) return;
    const bool first = news_.empty();
    news_[host] = status;
    if (!first) return;
    news_timer_.expires_after(kCompany);
    news_timer_.async_wait(
        [this, alive = std::weak_ptr<int>{alive_}](const boost::system::error_code& error) {
            if (!error && !alive.expired() && !news_.empty()) publish({});
        });
}

void RunSharing::publish(std::vector<FlowState> flows) {
    if (outputs_.published) outputs_.published(flows);
    for (const auto& [host, status] : news_) hosts_[host] = status;
    send(StateUpdate{.publisher = member_.node,
                     .incarnation = member_.incarnation,
                     .sequence = ++sequence_,
                     .epoch = sharer_.epoch(),
                     .flows = std::move(flows),
                     .hosts = std::exchange(news_, {})});
}

void RunSharing::heartbeat() {
    std::optional<SharesDigest> shares;
    if (member_.compare_shares) shares = sharer_.shares_digest();
    send(Heartbeat{.publisher = member_.node,
                   .incarnation = member_.incarnation,
                   .sequence = sequence_,
                   .digest = digest(),
                   .shares = shares,
                   .changes = changes_});
}

void RunSharing::tell_changes(std::uint32_t changes) {
    changes_ = changes;
    if (!alone()) greet();
}

void RunSharing::sign_of_life() {
    if (std::exchange(heartbeat_next_, !heartbeat_next_)) {
        heartbeat();
    } else {
        send(Alive{});
    }
}

// One for all that subscribe at about the same time: at the start of a run they are as many as
// there are nodes, and each greeting goes to all of them.
void RunSharing::greet() {
    if (std::exchange(greeting_, true)) return;
    greet_timer_.expires_after(kCompany);
    greet_timer_.async_wait(
        [this, alive = std::weak_ptr<int>{alive_}](const boost::system::error_code& error) {
            if (error || alive.expired()) return;
            greeting_ = false;
            heartbeat();
        });
}

void RunSharing::send(const StateMessage& message) {
    ++traffic_.messages_sent;
    traffic_.bytes_sent += sockets_.publish(member_.run, message);
}

StateUpdate RunSharing::whole_state() const {
    return {.publisher = member_.node,
            .incarnation = member_.incarnation,
            .sequence = sequence_,
            .epoch = sharer_.epoch(),
            .flows = sharer_.published(),
            .hosts = hosts_};
}

std::uint64_t RunSharing::digest() const {
    return digest_with(sharer_.digest(), hosts_);
}

// ---- what the others say

void RunSharing::receive(const Peer& from, StateMessage message) {
    const Instant now = monotonic_now();
    std::visit(Overload{
                   [&](StateUpdate& update) {
                       if (!is_from(from, update.publisher)) return;
                       carry_out(replica_.receive(std::move(update), now));
                   },
                   [&](const Heartbeat& heartbeat) {
                       if (!is_from(from, heartbeat.publisher)) return;
                       carry_out(replica_.receive(heartbeat, now));
                       compare(heartbeat);
                       if (outputs_.changes_heard) outputs_.changes_heard(heartbeat.changes);
                   },
                   [&](const Alive&) { replica_.receive_alive(from.name, now); },
               },
               message);
    if (!replica_.heard(from.name) || !heard_.insert(from.name).second) return;
    if (outputs_.peer_heard) outputs_.peer_heard(from);
}

void RunSharing::receive_whole(const Peer& from, const StateUpdate& full) {
    if (!is_from(from, full.publisher)) return;
    connections_.at(from.name).unanswered = 0;
    carry_out(replica_.receive_snapshot(full, monotonic_now()));
}

bool RunSharing::is_from(const Peer& peer, const std::string& publisher) {
    if (publisher == peer.name) return true;
    if (!std::exchange(forged_told_, true)) {
        log::warn("a peer speaks in another's name, dropped peer={}", peer.name);
    }
    return false;
}

void RunSharing::carry_out(const StateReplica::Actions& actions) {
    const Instant now = monotonic_now();
    for (const ReplicaAction& action : actions) {
        std::visit(Overload{
                       [&](const ApplyStates& change) { apply(change, now); },
                       [&](const DropStates& change) { drop(change, now); },
                       [&](const AskSnapshot& wish) { ask(wish.publisher); },
                   },
                   action);
    }
}

void RunSharing::apply(const ApplyStates& change, Instant now) {
    const Peer* const peer = find(change.publisher);
    std::size_t refused = sharer_.apply_remote(change.publisher, change.flows, now);
    for (const auto& [host, status] : change.hosts) {
        if (!std::ranges::binary_search(peer->hosts, host)) {
            ++refused;
            continue;
        }
        if (outputs_.host) outputs_.host(host, status);
    }
    if (refused == 0 || std::exchange(refused_told_, true)) return;
    log::warn("states of flows or hosts that are not its own were dropped peer={} count={}",
              change.publisher, refused);
}

void RunSharing::drop(const DropStates& change, Instant now) {
    sharer_.drop_publisher(change.publisher, now);
    if (!change.lost) return;
    heard_.erase(change.publisher);
    log::warn("peer lost: silent for three heartbeats peer={}", change.publisher);
    if (outputs_.peer_lost) outputs_.peer_lost(*find(change.publisher));
}

void RunSharing::compare(const Heartbeat& heartbeat) {
    if (!heartbeat.shares || heartbeat.changes != changes_) return;
    const std::optional<SharesDigest> ours = sharer_.shares_digest();
    if (!ours || ours->epoch != heartbeat.shares->epoch ||
        ours->states != heartbeat.shares->states) {
        return;  // the same states are not yet known to both
    }
    ++compared_;
    if (ours->shares == heartbeat.shares->shares || std::exchange(difference_told_, true)) return;
    if (outputs_.problem) {
        outputs_.problem(fmt::format("{} computed other shares of the same states than {}",
                                     heartbeat.publisher, member_.node));
    }
}

bool RunSharing::all_heard() const {
    return std::ranges::all_of(member_.peers,
                               [this](const Peer& peer) { return replica_.heard(peer.name); });
}

const Peer* RunSharing::find(const std::string& name) const {
    const auto found = std::ranges::find(member_.peers, name, &Peer::name);
    return found == member_.peers.end() ? nullptr : &*found;
}

}  // namespace pleat
