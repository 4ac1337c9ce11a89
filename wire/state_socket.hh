// Demand states between nodes: each binds a StatePublisher (PUB) and a SnapshotServer
// (ROUTER), and connects a StateSubscriber (SUB) and SnapshotClients (DEALER) to the
// others. The topic is the run: what is of another run never arrives.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>

#include "wire/codec.hh"

namespace pleat {

class StatePublisher {
  public:
    // Throws Failure when the endpoint can't be opened.
    StatePublisher(boost::asio::io_context& loop, const std::string& endpoint, std::string topic);
    ~StatePublisher();
    StatePublisher(StatePublisher&&) noexcept;
    StatePublisher& operator=(StatePublisher&&) noexcept;

    void publish(const StateMessage& message);

    // Publications, and their bodies + topics in bytes, once each whoever listens.
    std::uint64_t messages_sent() const;
    std::uint64_t bytes_sent() const;

    std::string endpoint() const;

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

class StateSubscriber {
  public:
    StateSubscriber(boost::asio::io_context& loop, std::string topic,
                    std::function<void(StateMessage)> on_message);
    ~StateSubscriber();
    StateSubscriber(StateSubscriber&&) noexcept;
    StateSubscriber& operator=(StateSubscriber&&) noexcept;

    // May be called for several publishers. Throws Failure when the endpoint makes no sense.
    void connect(const std::string& endpoint);

    std::uint64_t bad_messages() const;

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

// Answers requests for this node's whole state.
class SnapshotServer {
  public:
    // `state` is asked once a request; its `flows` are all that are not gone.
    SnapshotServer(boost::asio::io_context& loop, const std::string& endpoint,
                   std::function<StateUpdate()> state);
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
    SnapshotClient(boost::asio::io_context& loop, const std::string& endpoint,
                   std::function<void(StateUpdate)> on_state);
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
