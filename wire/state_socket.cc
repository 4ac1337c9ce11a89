// Demand states between nodes.
#include "wire/state_socket.hh"

#include <string_view>
#include <utility>

#include "wire/zmq_source.hh"

namespace pleat {

namespace {

constexpr Duration kNoLinger{0};
constexpr std::string_view kSnapshotRequest = "snapshot";

}  // namespace

class StatePublisher::Impl {
  public:
    Impl(boost::asio::io_context& loop, const std::string& endpoint, std::string topic)
        : topic_{std::move(topic)},
          source_{loop, zmq::socket_type::pub, kMaxStateBytes, kNoLinger, [](const ZmqParts&) {}} {
        source_.bind(endpoint);
    }

    void publish(const StateMessage& message) {
        const std::string body = encode(message);
        source_.send({topic_, body});
        ++messages_;
        bytes_ += topic_.size() + body.size();
    }

    std::string topic_;
    ZmqSource source_;
    std::uint64_t messages_ = 0;
    std::uint64_t bytes_ = 0;
};

StatePublisher::StatePublisher(boost::asio::io_context& loop, const std::string& endpoint,
                               std::string topic)
    : impl_{std::make_unique<Impl>(loop, endpoint, std::move(topic))} {}

StatePublisher::~StatePublisher() = default;
StatePublisher::StatePublisher(StatePublisher&&) noexcept = default;
StatePublisher& StatePublisher::operator=(StatePublisher&&) noexcept = default;

void StatePublisher::publish(const StateMessage& message) {
    impl_->publish(message);
}

std::uint64_t StatePublisher::messages_sent() const {
    return impl_->messages_;
}

std::uint64_t StatePublisher::bytes_sent() const {
    return impl_->bytes_;
}

std::string StatePublisher::endpoint() const {
    return impl_->source_.endpoint();
}

class StateSubscriber::Impl {
  public:
    Impl(boost::asio::io_context& loop, std::string topic,
         std::function<void(StateMessage)> on_message)
        : topic_{std::move(topic)},
          on_message_{std::move(on_message)},
          source_{loop, zmq::socket_type::sub, kMaxStateBytes, kNoLinger,
                  [this](const ZmqParts& parts) { receive(parts); }} {
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
    std::uint64_t bad_ = 0;
    ZmqSource source_;
};

StateSubscriber::StateSubscriber(boost::asio::io_context& loop, std::string topic,
                                 std::function<void(StateMessage)> on_message)
    : impl_{std::make_unique<Impl>(loop, std::move(topic), std::move(on_message))} {}

StateSubscriber::~StateSubscriber() = default;
StateSubscriber::StateSubscriber(StateSubscriber&&) noexcept = default;
StateSubscriber& StateSubscriber::operator=(StateSubscriber&&) noexcept = default;

void StateSubscriber::connect(const std::string& endpoint) {
    impl_->source_.connect(endpoint);
}

std::uint64_t StateSubscriber::bad_messages() const {
    return impl_->bad_;
}

class SnapshotServer::Impl {
  public:
    Impl(boost::asio::io_context& loop, const std::string& endpoint,
         std::function<StateUpdate()> state)
        : state_{std::move(state)},
          source_{loop, zmq::socket_type::router, kMaxStateBytes, kNoLinger,
                  [this](const ZmqParts& parts) { receive(parts); }} {
        source_.bind(endpoint);
    }

    void receive(const ZmqParts& parts) {
        if (parts.size() != 2 || parts[1] != kSnapshotRequest) {
            ++bad_;
            return;
        }
        const std::string body = encode(StateMessage{state_()});
        source_.send({parts[0], body});
    }

    std::function<StateUpdate()> state_;
    std::uint64_t bad_ = 0;
    ZmqSource source_;
};

SnapshotServer::SnapshotServer(boost::asio::io_context& loop, const std::string& endpoint,
                               std::function<StateUpdate()> state)
    : impl_{std::make_unique<Impl>(loop, endpoint, std::move(state))} {}

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
    Impl(boost::asio::io_context& loop, const std::string& endpoint,
         std::function<void(StateUpdate)> on_state)
        : on_state_{std::move(on_state)},
          source_{loop, zmq::socket_type::dealer, kMaxStateBytes, kNoLinger,
                  [this](const ZmqParts& parts) { receive(parts); }} {
        source_.connect(endpoint);
    }

    void receive(const ZmqParts& parts) {
        Result<StateMessage> message = decode_state(parts[0]);
        if (parts.size() != 1 || !message || !std::holds_alternative<StateUpdate>(*message)) {
            ++bad_;
            return;
        }
        on_state_(std::get<StateUpdate>(*std::move(message)));
    }

    std::function<void(StateUpdate)> on_state_;
    std::uint64_t bad_ = 0;
    ZmqSource source_;
};

SnapshotClient::SnapshotClient(boost::asio::io_context& loop, const std::string& endpoint,
                               std::function<void(StateUpdate)> on_state)
    : impl_{std::make_unique<Impl>(loop, endpoint, std::move(on_state))} {}

SnapshotClient::~SnapshotClient() = default;
SnapshotClient::SnapshotClient(SnapshotClient&&) noexcept = default;
SnapshotClient& SnapshotClient::operator=(SnapshotClient&&) noexcept = default;

void SnapshotClient::request() {
    impl_->source_.send({kSnapshotRequest});
}

std::uint64_t SnapshotClient::bad_messages() const {
    return impl_->bad_;
}

}  // namespace pleat
