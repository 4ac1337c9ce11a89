// Demand states between nodes.
#include "wire/state_socket.hh"

#include <string_view>
#include <utility>

#include "wire/zmq_source.hh"

namespace pleat {

namespace {

constexpr Duration kNoLinger{0};
constexpr std::string_view kSnapshotRequest = "snapshot";
constexpr int kMostConnections = 16384;
constexpr char kSubscribed = 1;  // the first byte of what an XPUB hears

// Nothing for ipc://.
std::optional<Pass> pass_to(const NodeAddress& node, const std::optional<KeyPair>& keys) {
    if (node.key.empty() || !keys) return {};
    return Pass{.keys = *keys, .server_key = node.key};
}

}  // namespace

struct StateConnections::Context {
    std::shared_ptr<zmq::context_t> zmq = make_zmq_context();
};

StateConnections::StateConnections() : context_{std::make_shared<Context>()} {
    // A subscriber and a snapshot client to each machine, in each run.
    context_->zmq->set(zmq::ctxopt::max_sockets, kMostConnections);
}

StateConnections::~StateConnections() = default;

namespace {

std::shared_ptr<zmq::context_t> context_of(const StateConnections* connections) {
    return connections == nullptr ? nullptr : connections->context()->zmq;
}

}  // namespace

class StatePublisher::Impl {
  public:
    Impl(boost::asio::io_context& loop, const std::string& endpoint,
         std::function<void(const std::string&)> on_subscriber, std::optional<Guard> guard)
        : on_subscriber_{std::move(on_subscriber)},
          source_{loop, zmq::socket_type::xpub, kMaxStateBytes, kNoLinger,
                  [this](const ZmqParts& parts) { receive(parts); }} {
        // Of a second subscriber to a topic, too.
        source_.socket().set(zmq::sockopt::xpub_verbose, true);
        if (guard) source_.guard(*std::move(guard));
        source_.bind(endpoint);
    }

    std::size_t publish(const std::string& topic, const StateMessage& message) {
        const std::string body = encode(message);
        source_.send({topic, body});
        return topic.size() + body.size();
    }

    std::string endpoint() const { return source_.endpoint(); }

  private:
    void receive(const ZmqParts& parts) {
        if (parts.size() != 1 || parts[0].empty() || parts[0][0] != kSubscribed) return;
        if (on_subscriber_) on_subscriber_(parts[0].substr(1));
    }

    std::function<void(const std::string&)> on_subscriber_;
    ZmqSource source_;
};

StatePublisher::StatePublisher(boost::asio::io_context& loop, const std::string& endpoint,
                               std::function<void(const std::string&)> on_subscriber,
                               std::optional<Guard> guard)
    : impl_{std::make_unique<Impl>(loop, endpoint, std::move(on_subscriber), std::move(guard))} {}

StatePublisher::~StatePublisher() = default;
StatePublisher::StatePublisher(StatePublisher&&) noexcept = default;
StatePublisher& StatePublisher::operator=(StatePublisher&&) noexcept = default;

std::size_t StatePublisher::publish(const std::string& topic, const StateMessage& message) {
    return impl_->publish(topic, message);
}

std::string StatePublisher::endpoint() const {
    return impl_->endpoint();
}

class StateSubscriber::Impl {
  public:
    Impl(boost::asio::io_context& loop, std::string topic,
         std::function<void(StateMessage)> on_message, std::optional<KeyPair> keys,
         const StateConnections* connections)
        : topic_{std::move(topic)},
          on_message_{std::move(on_message)},
          keys_{std::move(keys)},
          source_{loop,
                  zmq::socket_type::sub,
                  kMaxStateBytes,
                  kNoLinger,
                  [this](const ZmqParts& parts) { receive(parts); },
                  context_of(connections)} {
        source_.socket().set(zmq::sockopt::subscribe, topic_);
    }

    void receive(const ZmqParts& parts) {
        // ZeroMQ compares beginnings: "r-1" would also get what is for "r-12".
        if (parts[0] != topic_) return;
        Result<StateMessage> message =
            parts.size() == 2 ? decode_state(parts[1]) : Result<StateMessage>{fail("parts")};
        if (!message) {
            ++bad_;
            return;
        }
        on_message_(*std::move(message));
    }

    std::string topic_;
    std::function<void(StateMessage)> on_message_;
    std::optional<KeyPair> keys_;
    std::uint64_t bad_ = 0;
    ZmqSource source_;
};

StateSubscriber::StateSubscriber(boost::asio::io_context& loop, std::string topic,
                                 std::function<void(StateMessage)> on_message,
                                 std::optional<KeyPair> keys, const StateConnections* connections)
    : impl_{std::make_unique<Impl>(loop, std::move(topic), std::move(on_message), std::move(keys),
                                   connections)} {}

StateSubscriber::~StateSubscriber() = default;
StateSubscriber::StateSubscriber(StateSubscriber&&) noexcept = default;
StateSubscriber& StateSubscriber::operator=(StateSubscriber&&) noexcept = default;

void StateSubscriber::connect(const NodeAddress& publisher) {
    impl_->source_.connect(publisher.states, pass_to(publisher, impl_->keys_));
}

std::uint64_t StateSubscriber::bad_messages() const {
    return impl_->bad_;
}

class SnapshotServer::Impl {
  public:
    Impl(boost::asio::io_context& loop, const std::string& endpoint,
         std::function<std::optional<StateUpdate>(const std::string&)> state,
         std::optional<Guard> guard)
        : state_{std::move(state)},
          source_{loop, zmq::socket_type::router, kMaxStateBytes, kNoLinger,
                  [this](const ZmqParts& parts) { receive(parts); }} {
        if (guard) source_.guard(*std::move(guard));
        source_.bind(endpoint);
    }

    void receive(const ZmqParts& parts) {
        if (parts.size() != 3 || parts[1] != kSnapshotRequest) {
            ++bad_;
            return;
        }
        std::optional<StateUpdate> state = state_(parts[2]);
        if (!state) return;
        const std::string body = encode(StateMessage{*std::move(state)});
        source_.send({parts[0], body});
    }

    std::function<std::optional<StateUpdate>(const std::string&)> state_;
    std::uint64_t bad_ = 0;
    ZmqSource source_;
};

SnapshotServer::SnapshotServer(boost::asio::io_context& loop, const std::string& endpoint,
                               std::function<std::optional<StateUpdate>(const std::string&)> state,
                               std::optional<Guard> guard)
    : impl_{std::make_unique<Impl>(loop, endpoint, std::move(state), std::move(guard))} {}

SnapshotServer::~SnapshotServer() = default;
SnapshotServer::SnapshotServer(SnapshotServer&&) noexcept = default;
SnapshotServer& SnapshotServer::operator=(SnapshotServer&&) noexcept = default;

std::uint64_t SnapshotServer::bad_messages() const {
    return impl_->bad_;
}

std::string SnapshotServer::endpoint() const {
    return impl_->source_.endpoint();
}

class SnapshotClient::Impl {
  public:
    Impl(boost::asio::io_context& loop, const NodeAddress& publisher, std::string topic,
         std::function<void(StateUpdate)> on_state, const std::optional<KeyPair>& keys,
         const StateConnections* connections)
        : topic_{std::move(topic)},
          on_state_{std::move(on_state)},
          source_{loop,
                  zmq::socket_type::dealer,
                  kMaxStateBytes,
                  kNoLinger,
                  [this](const ZmqParts& parts) { receive(parts); },
                  context_of(connections)} {
        source_.connect(publisher.snapshots, pass_to(publisher, keys));
    }

    void receive(const ZmqParts& parts) {
        Result<StateMessage> message = decode_state(parts[0]);
        if (parts.size() != 1 || !message || !std::holds_alternative<StateUpdate>(*message)) {
            ++bad_;
            return;
        }
        on_state_(std::get<StateUpdate>(*std::move(message)));
    }

    std::string topic_;
    std::function<void(StateUpdate)> on_state_;
    std::uint64_t bad_ = 0;
    ZmqSource source_;
};

SnapshotClient::SnapshotClient(boost::asio::io_context& loop, const NodeAddress& publisher,
                               std::string topic, std::function<void(StateUpdate)> on_state,
                               const std::optional<KeyPair>& keys,
                               const StateConnections* connections)
    : impl_{std::make_unique<Impl>(loop, publisher, std::move(topic), std::move(on_state), keys,
                                   connections)} {}

SnapshotClient::~SnapshotClient() = default;
SnapshotClient::SnapshotClient(SnapshotClient&&) noexcept = default;
SnapshotClient& SnapshotClient::operator=(SnapshotClient&&) noexcept = default;

void SnapshotClient::request() {
    impl_->source_.send({kSnapshotRequest, impl_->topic_});
}

std::uint64_t SnapshotClient::bad_messages() const {
    return impl_->bad_;
}

}  // namespace pleat
