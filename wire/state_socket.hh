// Demand states between nodes: each binds a StatePublisher (PUB) and a SnapshotServer
// (ROUTER), for all runs, and for each run connects a StateSubscriber (SUB) and
// SnapshotClients (DEALER) to the others. The topic is the run: what is of another run
// never arrives.
//
// (1) A publisher hears of every subscription, so that it can greet whoever has come (or
//     has come back): what was published before a subscription arrived is lost to it.
// (2) A subscriber that is too slow loses publications; nobody else does, and nobody
//     waits for it.
// (3) Who a message is from is not proved by what it says, but by the connection that it came
//     through: with keys on both ends, a subscriber that is connected to one publisher hears
//     nobody else.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/io_context.hpp>

#include "wire/codec.hh"
#include "wire/keys.hh"

namespace pleat {

class StatePublisher {
  public:
    // `on_subscriber` is told the topic of each subscription that arrives. Throws Failure
    // when the endpoint can't be opened.
    StatePublisher(boost::asio::io_context& loop, const std::string& endpoint,
                   std::function<void(const std::string& topic)> on_subscriber = {},
                   std::optional<Guard> guard = {});
    ~StatePublisher();
    StatePublisher(StatePublisher&&) noexcept;
    StatePublisher& operator=(StatePublisher&&) noexcept;

    // Answers what it counts for: body and topic in bytes, once, whoever listens.
    std::size_t publish(const std::string& topic, const StateMessage& message);

    std::string endpoint() const;

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

// One thread of ZeroMQ's for any number of connections. Without it each has its own.
class StateConnections {
  public:
    StateConnections();
    ~StateConnections();

    // Of use to wire/*.cc only.
    struct Context;

    const std::shared_ptr<Context>& context() const { return context_; }

  private:
    std::shared_ptr<Context> context_;
};

class StateSubscriber {
  public:
    // `keys`: ours, for publishers on tcp://.
    StateSubscriber(boost::asio::io_context& loop, std::string topic,
                    std::function<void(StateMessage)> on_message, std::optional<KeyPair> keys = {},
                    const StateConnections* connections = nullptr);
    ~StateSubscriber();
    StateSubscriber(StateSubscriber&&) noexcept;
    StateSubscriber& operator=(StateSubscriber&&) noexcept;

    // May be called for several publishers. Throws Failure when the endpoint makes no sense.
    void connect(const NodeAddress& publisher);

    std::uint64_t bad_messages() const;

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

// Answers requests for this node's whole state.
class SnapshotServer {
  public:
    // `state` of a topic is asked once a request; its `flows` are all that are not gone, its
    // `hosts` all of this machine. Nothing: there is no such run here, and no answer.
    SnapshotServer(boost::asio::io_context& loop, const std::string& endpoint,
                   std::function<std::optional<StateUpdate>(const std::string& topic)> state,
                   std::optional<Guard> guard = {});
    ~SnapshotServer();
    SnapshotServer(SnapshotServer&&) noexcept;
    SnapshotServer& operator=(SnapshotServer&&) noexcept;

    std::uint64_t bad_messages() const;
    std::string endpoint() const;

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

// Asks one publisher for its whole state. Deadlines and back-off are the caller's.
class SnapshotClient {
  public:
    SnapshotClient(boost::asio::io_context& loop, const NodeAddress& publisher, std::string topic,
                   std::function<void(StateUpdate)> on_state,
                   const std::optional<KeyPair>& keys = {},
                   const StateConnections* connections = nullptr);
    ~SnapshotClient();
    SnapshotClient(SnapshotClient&&) noexcept;
    SnapshotClient& operator=(SnapshotClient&&) noexcept;

    void request();

    std::uint64_t bad_messages() const;

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace pleat
