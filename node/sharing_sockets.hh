// SharingSockets: this node's two listening sockets of the sharing protocol, for all its
// runs, and the connections that a run opens to other nodes.
//
// (1) Who subscribes to a run is greeted at once with what the run's member says.
// (2) A run that is not here is not answered for.
// (3) With keys, only the peers of the runs that are here can connect.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "wire/state_socket.hh"

namespace pleat {

class SharingSockets {
  public:
    // A run's part in it.
    struct Member {
        std::function<StateUpdate()> state;  // the whole
        std::function<void()> greet;         // somebody has subscribed
        std::vector<std::string> peer_keys;
    };

    // `keys`: ours, for tcp://. Throws Failure when an endpoint can't be opened.
    SharingSockets(boost::asio::io_context& loop, const std::string& states,
                   const std::string& snapshots, std::optional<KeyPair> keys = {});

    // Callbacks of its sockets know where it is.
    SharingSockets(const SharingSockets&) = delete;
    SharingSockets& operator=(const SharingSockets&) = delete;

    // Where the others find us.
    NodeAddress address() const;

    void add(const std::string& run, Member member);
    void remove(const std::string& run);

    std::size_t publish(const std::string& run, const StateMessage& message);

    StateSubscriber subscriber(const std::string& run,
                               std::function<void(StateMessage)> on_message) const;
    SnapshotClient snapshot_client(const NodeAddress& peer, const std::string& run,
                                   std::function<void(StateUpdate)> on_state) const;

  private:
    std::optional<Guard> guard() const;
    bool admits(const std::string& key) const;

    boost::asio::io_context& loop_;
    std::optional<KeyPair> keys_;
    std::map<std::string, Member> members_;
    StateConnections connections_;
    StatePublisher states_;
    SnapshotServer snapshots_;
};

}  // namespace pleat
