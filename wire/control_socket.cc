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
    Impl(boost::asio::io_context& loop, const std::string& endpoint,
         std::function<void(ControlMessage)> on_message, std::string sender)
        : on_message_{std::move(on_message)},
          source_{loop, zmq::socket_type::dealer, kMaxControlBytes, kLinger,
                  [this](const ZmqParts& parts) { receive(parts); }} {
        next_.sender = std::move(sender);
        keep_everything(source_.socket());
        source_.connect(endpoint);
    }

    void send(const ControlMessage& message) {
        ++next_.sequence;
        const std::string bytes = encode(message, next_);
        refuse_oversize(bytes);
        source_.send({bytes});
    }

    Envelope next_;
    BadMessages bad_;

  private:
    void receive(const ZmqParts& parts) {
        if (parts.size() != 1) return bad_.add("bad control message: it has several parts");
        Result<ControlMessage> message = decode_control(parts[0]);
        if (!message) return bad_.add(message.error().message);
        if (const auto* prepare = std::get_if<PrepareRun>(&*message)) {
            next_.run = prepare->options.run;
        }
        on_message_(*std::move(message));
    }

    std::function<void(ControlMessage)> on_message_;
    ZmqSource source_;
};

ControlClient::ControlClient(boost::asio::io_context& loop, const std::string& endpoint,
                             std::function<void(ControlMessage)> on_message, std::string sender)
    : impl_{std::make_unique<Impl>(loop, endpoint, std::move(on_message), std::move(sender))} {}

ControlClient::~ControlClient() = default;
ControlClient::ControlClient(ControlClient&&) noexcept = default;
ControlClient& ControlClient::operator=(ControlClient&&) noexcept = default;

void ControlClient::send(const ControlMessage& message) {
    impl_->send(message);
}

void ControlClient::set_run(std::string run) {
    impl_->next_.run = std::move(run);
}

void ControlClient::on_bad_message(std::function<void(const std::string&)> callback) {
    impl_->bad_.on_first(std::move(callback));
}

std::uint64_t ControlClient::bad_messages() const {
    return impl_->bad_.count();
}

class ControlServer::Impl {
  public:
    Impl(boost::asio::io_context& loop, const std::string& endpoint, Handler on_message)
        : on_message_{std::move(on_message)},
          source_{loop, zmq::socket_type::router, kMaxControlBytes, kLinger,
                  [this](const ZmqParts& parts) { receive(parts); }} {
        next_.sender = "controller";
        keep_everything(source_.socket());
        source_.socket().set(zmq::sockopt::router_mandatory, true);
        source_.bind(endpoint);
    }

    bool send(const std::string& peer, const ControlMessage& message) {
        ++next_.sequence;
        const std::string bytes = encode(message, next_);
        refuse_oversize(bytes);
        return source_.send({peer, bytes});
    }

    std::string endpoint() const { return source_.endpoint(); }

    Envelope next_;
    BadMessages bad_;
    std::uint64_t stale_ = 0;

  private:
    void receive(const ZmqParts& parts) {
        if (parts.size() != 2) return bad_.add("bad control message: not one part");
        Envelope envelope;
        Result<ControlMessage> message = decode_control(parts[1], &envelope);
        if (!message) return bad_.add(message.error().message);
        if (!envelope.run.empty() && envelope.run != next_.run) {
            ++stale_;
            return;
        }
        on_message_(parts[0], *std::move(message));
    }

    Handler on_message_;
    ZmqSource source_;
};

ControlServer::ControlServer(boost::asio::io_context& loop, const std::string& endpoint,
                             Handler on_message)
    : impl_{std::make_unique<Impl>(loop, endpoint, std::move(on_message))} {}

ControlServer::~ControlServer() = default;
ControlServer::ControlServer(ControlServer&&) noexcept = default;
ControlServer& ControlServer::operator=(ControlServer&&) noexcept = default;

bool ControlServer::send(const std::string& peer, const ControlMessage& message) {
    return impl_->send(peer, message);
}

void ControlServer::set_run(std::string run) {
    impl_->next_.run = std::move(run);
}

void ControlServer::on_bad_message(std::function<void(const std::string&)> callback) {
    impl_->bad_.on_first(std::move(callback));
}

std::uint64_t ControlServer::bad_messages() const {
    return impl_->bad_.count();
}

std::uint64_t ControlServer::stale_messages() const {
    return impl_->stale_;
}

std::string ControlServer::endpoint() const {
    return impl_->endpoint();
}

}  // namespace pleat
