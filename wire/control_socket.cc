// The control connection.
#include "wire/control_socket.hh"

#include <utility>

#include <fmt/format.h>

#include "wire/zmq_source.hh"

namespace pleat {

namespace {

// Counts messages that could not be read, and tells of the first.
class BadMessages {
  public:
    void add(const std::string& why) {
        if (count_++ == 0 && callback_) callback_(why);
    }

    void on_first(std::function<void(const std::string&)> callback) {
        callback_ = std::move(callback);
    }

    std::uint64_t count() const { return count_; }

  private:
    std::uint64_t count_ = 0;
    std::function<void(const std::string&)> callback_;
};

// The other side would drop the connection.
void refuse_oversize(const std::string& bytes) {
    if (bytes.size() <= kMaxControlBytes) return;
    throw Failure{fmt::format("a control message of {} MB is too large (at most {} MB)",
                              bytes.size() >> 20U, kMaxControlBytes >> 20U)};
}

// Whoever connects waits in memory as long as it must: nothing is dropped.
void keep_everything(zmq::socket_t& socket) {
    socket.set(zmq::sockopt::sndhwm, 0);
}

}  // namespace

class ControlClient::Impl {
  public:
    Impl(boost::asio::io_context& loop, const std::string& endpoint, ControlHandler on_message,
         std::string name, ClientConnection connection)
        : on_message_{std::move(on_message)},
          source_{loop, zmq::socket_type::dealer, kMaxControlBytes, kLinger,
                  [this](const ZmqParts& parts) { receive(parts); }} {
        next_.sender = std::move(name);
        keep_everything(source_.socket());
        if (connection.connected || connection.refused) {
            source_.watch(
                [told = std::move(connection.connected)] {
                    if (told) told();
                },
                [told = std::move(connection.refused)](const std::string& why) {
                    if (told) told(why);
                });
        }
        source_.connect(endpoint, connection.pass);
    }

    void send(const ControlMessage& message, const std::string& run) {
        ++next_.sequence;
        next_.run = run;
        const std::string bytes = encode(message, next_);
        refuse_oversize(bytes);
        source_.send({bytes});
    }

    Envelope next_;
    BadMessages bad_;

  private:
    void receive(const ZmqParts& parts) {
        if (parts.size() != 1) return bad_.add("bad control message: it has several parts");
        Envelope envelope;
        Result<ControlMessage> message = decode_control(parts[0], &envelope);
        if (!message) return bad_.add(message.error().message);
        on_message_({.peer = {}, .name = envelope.sender, .run = envelope.run, .key = {}},
                    *std::move(message));
    }

    ControlHandler on_message_;
    ZmqSource source_;
};

ControlClient::ControlClient(boost::asio::io_context& loop, const std::string& endpoint,
                             ControlHandler on_message, std::string name,
                             ClientConnection connection)
    : impl_{std::make_unique<Impl>(loop, endpoint, std::move(on_message), std::move(name),
                                   std::move(connection))} {}

ControlClient::~ControlClient() = default;
ControlClient::ControlClient(ControlClient&&) noexcept = default;
ControlClient& ControlClient::operator=(ControlClient&&) noexcept = default;

void ControlClient::send(const ControlMessage& message, const std::string& run) {
    impl_->send(message, run);
}

void ControlClient::on_bad_message(std::function<void(const std::string&)> callback) {
    impl_->bad_.on_first(std::move(callback));
}

std::uint64_t ControlClient::bad_messages() const {
    return impl_->bad_.count();
}

class ControlServer::Impl {
  public:
    Impl(boost::asio::io_context& loop, const std::string& endpoint, ControlHandler on_message,
         std::optional<Guard> guard)
        : on_message_{std::move(on_message)},
          source_{loop, zmq::socket_type::router, kMaxControlBytes, kLinger,
                  [this](const ZmqParts& parts) { receive(parts); }} {
        next_.sender = "controller";
        keep_everything(source_.socket());
        source_.socket().set(zmq::sockopt::router_mandatory, true);
        if (guard) source_.guard(*std::move(guard));
        source_.bind(endpoint);
    }

    bool send(const std::string& peer, const ControlMessage& message, const std::string& run) {
        ++next_.sequence;
        next_.run = run;
        const std::string bytes = encode(message, next_);
        refuse_oversize(bytes);
        return source_.send({peer, bytes});
    }

    void refuse(const std::string& peer, std::uint32_t version, const std::string& why) {
        Envelope envelope = next_;
        envelope.run.clear();
        envelope.version = version;
        source_.send({peer, encode(Refused{why}, envelope)});
    }

    std::string endpoint() const { return source_.endpoint(); }

    Envelope next_;
    BadMessages bad_;

  private:
    void receive(const ZmqParts& parts) {
        if (parts.size() != 2) return bad_.add("bad control message: not one part");
        Envelope envelope;
        Result<ControlMessage> message = decode_control(parts[1], &envelope);
        if (!message) return bad_.add(message.error().message);
        on_message_({.peer = parts[0],
                     .name = envelope.sender,
                     .run = envelope.run,
                     .key = source_.sender_key()},
                    *std::move(message));
    }

    ControlHandler on_message_;
    ZmqSource source_;
};

ControlServer::ControlServer(boost::asio::io_context& loop, const std::string& endpoint,
                             ControlHandler on_message, std::optional<Guard> guard)
    : impl_{std::make_unique<Impl>(loop, endpoint, std::move(on_message), std::move(guard))} {}

ControlServer::~ControlServer() = default;
ControlServer::ControlServer(ControlServer&&) noexcept = default;
ControlServer& ControlServer::operator=(ControlServer&&) noexcept = default;

bool ControlServer::send(const std::string& peer, const ControlMessage& message,
                         const std::string& run) {
    return impl_->send(peer, message, run);
}

void ControlServer::refuse(const std::string& peer, std::uint32_t version, const std::string& why) {
    impl_->refuse(peer, version, why);
}

void ControlServer::on_bad_message(std::function<void(const std::string&)> callback) {
    impl_->bad_.on_first(std::move(callback));
}

std::uint64_t ControlServer::bad_messages() const {
    return impl_->bad_.count();
}

std::string ControlServer::endpoint() const {
    return impl_->endpoint();
}

}  // namespace pleat
