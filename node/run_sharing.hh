// RunSharing: one run's sharing on this node: the sharer, what it publishes, and what the
// other nodes of the run (the peers) publish. Messages are in wire/state_socket.hh, what is
// made of them in sharing/state_replica.hh.
//
// (1) Every change of a state is one numbered update; a heartbeat comes once a second, and
//     within 10 ms to whoever subscribes. Half way between two heartbeats a word without
//     content says that we are there, so that a machine that is lost is missed within three
//     heartbeats, without false alarms (sharing/state_replica.hh, (4)). All are counted, once
//     each, whoever listens.
// (2) Changes of hosts wait 10 ms for each other, or go with the next update of flows.
// (3) Only peers are listened to, and each only about itself: what comes through the connection
//     to a peer and is in another's name is dropped; so are states of flows and hosts that are
//     another's.
// (4) The connections to a peer are made anew when it is not heard for 5 s, or has not answered
//     two requests: ZeroMQ does so by itself after all faults but one, a message that is
//     longer than any may be.
// (5) Without peers nothing goes out but what the sharer publishes, and heartbeats when
//     they are asked for.
// (6) With compare_shares, heartbeats say what was computed. With equal states in equal
//     epochs it must be equal to the last bit; if not, that is told.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "node/repeating_timer.hh"
#include "node/sharing/sharer.hh"
#include "node/sharing/state_replica.hh"
#include "node/sharing_sockets.hh"

namespace pleat {

// Of which run, and who we are.
struct SharingMember {
    std::string run;
    std::string node;
    std::uint64_t incarnation = 0;
    bool compare_shares = false;
    std::vector<Peer> peers;
};

// Each may be empty.
struct RunSharingOutputs {
    std::function<void(std::vector<FlowCap>)> set_caps;
    std::function<void(FlowKey, Bandwidth share, Instant)> share;  // came into force
    std::function<void(const std::vector<FlowState>&)> published;
    std::function<void(HostId, const HostStatus&)> host;  // of a peer
    std::function<void(const Peer&)> peer_heard;          // for the first time, or again
    std::function<void(const Peer&)> peer_lost;           // silent for three heartbeats
    std::function<void(const std::string&)> problem;
};

class RunSharing {
  public:
    // `sockets` and `folder` must outlive it; `table` is in force. Throws Failure when a
    // peer's address makes no sense.
    RunSharing(boost::asio::io_context& loop, SharingSockets& sockets, SharingMember member,
               const PathFolder& folder, std::shared_ptr<const PathTable> table,
               RunSharingOutputs outputs);
    ~RunSharing();
    RunSharing(const RunSharing&) = delete;
    RunSharing& operator=(const RunSharing&) = delete;

    Sharer& sharer() { return sharer_; }

    // How far a host of ours is.
    void tell(HostId host, const HostStatus& status);

    void heartbeat();

    bool alone() const { return member_.peers.empty(); }

    // Has every peer been heard, and is none lost?
    bool all_heard() const;

    const ControlTraffic& traffic() const { return traffic_; }

    // Of (6): how many digests were compared with ours.
    std::uint64_t compared() const { return compared_; }

  private:
    // To a peer.
    struct Connection {
        std::optional<StateSubscriber> states;
        std::optional<SnapshotClient> snapshots;
        Instant states_opened;
        int unanswered = 0;  // requests for the whole state
    };

    void open_states(const Peer& peer);
    void open_snapshots(const Peer& peer);
    void ask(const std::string& peer);
    void reopen_silent(Instant now);
    StateUpdate whole_state() const;
    std::uint64_t digest() const;
    void publish(std::vector<FlowState> flows);
    void greet();
    void sign_of_life();
    void send(const StateMessage& message);
    void receive(const Peer& from, StateMessage message);
    void receive_whole(const Peer& from, const StateUpdate& full);
    bool is_from(const Peer& peer, const std::string& publisher);
    void carry_out(const StateReplica::Actions& actions);
    void apply(const ApplyStates& change, Instant now);
    void drop(const DropStates& change, Instant now);
    void compare(const Heartbeat& heartbeat);
    const Peer* find(const std::string& name) const;

    SharingSockets& sockets_;
    SharingMember member_;
    RunSharingOutputs outputs_;
    Sharer sharer_;
    StateReplica replica_;
    std::map<std::string, Connection> connections_;  // by peer
    RepeatingTimer heartbeat_timer_;                 // heartbeats and the words between, in turn
    RepeatingTimer replica_timer_;
    boost::asio::steady_timer news_timer_;
    boost::asio::steady_timer greet_timer_;

    std::uint64_t sequence_ = 0;
    HostStatuses hosts_;  // ours, as published
    HostStatuses news_;   // to be published
    std::set<std::string> heard_;
    ControlTraffic traffic_;
    std::uint64_t compared_ = 0;
    bool heartbeat_next_ = true;
    bool refused_told_ = false;
    bool forged_told_ = false;
    bool greeting_ = false;
    std::shared_ptr<int> alive_ = std::make_shared<int>();
    bool difference_told_ = false;
};

}  // namespace pleat
