// A ZeroMQ socket in the event loop.
#include "wire/zmq_source.hh"

#include <cstring>
#include <exception>
#include <optional>
#include <utility>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include "base/error.hh"
#include "base/realtime.hh"
#include "wire/endpoint.hh"

namespace pleat {

namespace {

constexpr int kBurst = 64;
// Our messages have three parts at most; of longer ones the rest is thrown away.
constexpr std::size_t kMostParts = 4;
// ZeroMQ says at once when it will connect again.
constexpr Duration kConnectsAgain = std::chrono::milliseconds{250};

}  // namespace

std::shared_ptr<zmq::context_t> make_zmq_context() {
    auto context = std::make_shared<zmq::context_t>();
    if (has_realtime_priority()) {
        context->set(zmq::ctxopt::thread_sched_policy, SCHED_FIFO);
        context->set(zmq::ctxopt::thread_priority, kRealtimePriority);
    }
    return context;
}

// A second socket in a source's context, that is read whole at each wake: its messages are
// few, and the source that owns it keeps it alive.
class SideSocket {
  public:
    using Handler = std::function<void(std::vector<zmq::message_t>&)>;

    SideSocket(boost::asio::io_context& loop, zmq::context_t& context, zmq::socket_type type,
               Handler handler)
        : socket_{context, type},
          descriptor_{loop, socket_.get(zmq::sockopt::fd)},
          handler_{std::move(handler)} {
        socket_.set(zmq::sockopt::linger, 0);
    }

    ~SideSocket() { descriptor_.release(); }

    SideSocket(const SideSocket&) = delete;
    SideSocket& operator=(const SideSocket&) = delete;

    zmq::socket_t& socket() { return socket_; }

    // Once it is bound or connected.
    void start() {
        wait();
        drain();
    }

  private:
    void wait() {
        descriptor_.async_wait(
            boost::asio::posix::stream_descriptor::wait_read,
            [this, alive = std::weak_ptr<int>{alive_}](const boost::system::error_code& error) {
                if (error || alive.expired()) return;
                drain();
                if (!alive.expired()) wait();
            });
    }

    void drain() {
        const std::weak_ptr<int> alive = alive_;
        while ((socket_.get(zmq::sockopt::events) & ZMQ_POLLIN) != 0) {
            std::vector<zmq::message_t> parts;
            do {
                if (!socket_.recv(parts.emplace_back(), zmq::recv_flags::dontwait)) return;
            } while (parts.back().more());
            handler_(parts);
            if (alive.expired()) return;
        }
    }

    zmq::socket_t socket_;
    boost::asio::posix::stream_descriptor descriptor_;
    Handler handler_;
    std::shared_ptr<int> alive_ = std::make_shared<int>();
};

// Answers libzmq's questions of who may connect: RFC 27 (ZAP). A request has version,
// request id, domain, address, identity, mechanism and credentials.
class Doorkeeper {
  public:
    Doorkeeper(boost::asio::io_context& loop, zmq::context_t& context,
               std::function<bool(const std::string&)> admits)
        : admits_{std::move(admits)},
          door_{loop, context, zmq::socket_type::rep,
                [this](const std::vector<zmq::message_t>& request) { answer(request); }} {
        door_.socket().bind("inproc://zeromq.zap.01");
        door_.start();
    }

  private:
    void answer(const std::vector<zmq::message_t>& request) {
        constexpr std::size_t kFrames = 7;
        std::string key;
        bool admitted = false;
        if (request.size() == kFrames && request[5].to_string_view() == "CURVE") {
            key = request[6].to_string();
            admitted = key.size() == kKeyBytes && admits_(key);
        }
        const std::string id = request.size() > 1 ? request[1].to_string() : std::string{};
        const auto more = zmq::send_flags::sndmore;
        zmq::socket_t& socket = door_.socket();
        socket.send(zmq::buffer(std::string_view{"1.0"}), more);
        socket.send(zmq::buffer(id), more);
        socket.send(zmq::buffer(std::string_view{admitted ? "200" : "400"}), more);
        socket.send(zmq::buffer(std::string_view{admitted ? "OK" : "unknown key"}), more);
        socket.send(zmq::buffer(admitted ? key_text(key) : std::string{}), more);
        socket.send(zmq::message_t{}, zmq::send_flags::none);
    }

    std::function<bool(const std::string&)> admits_;
    SideSocket door_;
};

class ZmqSource::Impl : public std::enable_shared_from_this<Impl> {
  public:
    Impl(boost::asio::io_context& loop, zmq::socket_type type, Handler handler,
         std::shared_ptr<zmq::context_t> context)
        : loop_{loop},
          context_{context ? std::move(context) : make_zmq_context()},
          socket_{*context_, type},
          descriptor_{loop, socket_.get(zmq::sockopt::fd)},
          handler_{std::move(handler)},
          given_up_{loop} {}

    ~Impl() {
        // ZeroMQ leaves the file of a socket behind. While it is open, nobody else can
        // have taken its place.
        if (!file_.empty()) ::unlink(file_.c_str());
        // The descriptor belongs to ZeroMQ.
        descriptor_.release();
        if (monitor_) zmq_socket_monitor(socket_.handle(), nullptr, 0);
        monitor_.reset();
        socket_.close();
    }

    zmq::socket_t& socket() { return socket_; }

    void guard(Guard guard) {
        doorkeeper_.emplace(loop_, *context_, std::move(guard.admits));
        guarded_ = true;
        socket_.set(zmq::sockopt::zap_domain, "pleat");
        set_key(ZMQ_CURVE_SECRETKEY, guard.keys.secret_key);
        const int on = 1;
        if (zmq_setsockopt(socket_.handle(), ZMQ_CURVE_SERVER, &on, sizeof on) != 0) {
            throw Failure{fmt::format("cannot guard a socket: {}", zmq_strerror(errno))};
        }
    }

    void show(const Pass& pass) {
        set_key(ZMQ_CURVE_PUBLICKEY, pass.keys.public_key);
        set_key(ZMQ_CURVE_SECRETKEY, pass.keys.secret_key);
        set_key(ZMQ_CURVE_SERVERKEY, pass.server_key);
    }

    bool guarded() const { return guarded_; }

    const std::string& sender_key() const { return sender_key_; }

    void watch(std::function<void()> connected, std::function<void(const std::string&)> refused) {
        const std::string name = "inproc://monitor";
        const int events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                           ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CONNECT_RETRIED | ZMQ_EVENT_CONNECTED;
        if (zmq_socket_monitor(socket_.handle(), name.c_str(), events) != 0) {
            throw Failure{fmt::format("cannot watch a socket: {}", zmq_strerror(errno))};
        }
        monitor_.emplace(loop_, *context_, zmq::socket_type::pair,
                         [this, connected = std::move(connected),
                          refused = std::move(refused)](const std::vector<zmq::message_t>& event) {
                             std::uint16_t number = 0;
                             if (event.empty() || event[0].size() < sizeof number) return;
                             std::memcpy(&number, event[0].data(), sizeof number);
                             switch (number) {
                                 case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
                                     return connected();
                                 case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
                                     return refused("it does not know our key");
                                 case ZMQ_EVENT_DISCONNECTED:
                                     return connect_if_given_up();
                                 default:  // it is connecting
                                     given_up_.cancel();
                             }
                         });
        monitor_->socket().connect(name);
        monitor_->start();
    }

    void connect(const std::string& endpoint) {
        endpoint_ = endpoint;
        if (zmq_connect(socket_.handle(), endpoint.c_str()) != 0) {
            throw Failure{fmt::format("cannot connect to {}: {}", endpoint, zmq_strerror(errno))};
        }
    }

    // Of the Unix socket that is bound here.
    void set_file(std::string path) { file_ = std::move(path); }

    // What is delivered after this is nothing.
    void close() {
        closed_ = true;
        descriptor_.cancel();
        given_up_.cancel();
    }

    void wait() {
        descriptor_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                               [weak = weak_from_this()](const boost::system::error_code& error) {
                                   const std::shared_ptr<Impl> self = weak.lock();
                                   if (error || !self || self->closed_) return;
                                   self->wait();
                                   // Else others wait for two bursts.
                                   if (!self->drain_posted_) self->drain();
                               });
    }

    void drain_soon() {
        if (drain_posted_) return;
        drain_posted_ = true;
        boost::asio::post(loop_, [weak = weak_from_this()] {
            const std::shared_ptr<Impl> self = weak.lock();
            if (!self || self->closed_) return;
            self->drain_posted_ = false;
            self->drain();
        });
    }

    bool readable() { return (socket_.get(zmq::sockopt::events) & ZMQ_POLLIN) != 0; }

    void drain() {
        // Only in effect when the handler throws: what is left must not wait for a wake.
        struct DrainSoon {
            Impl* impl;
            int exceptions = std::uncaught_exceptions();

            ~DrainSoon() {
                if (std::uncaught_exceptions() > exceptions) impl->drain_soon();
            }
        } const guard{this};

        for (int i = 0; i < kBurst; ++i) {
            if (closed_ || !readable()) return;
            ZmqParts parts = receive();
            if (!parts.empty()) handler_(std::move(parts));
        }
        if (!closed_) drain_soon();
    }

  private:
    // One whole message; empty when there was none, or it had too many parts.
    ZmqParts receive() {
        ZmqParts parts;
        bool more = true;
        std::size_t count = 0;
        while (more) {
            zmq::message_t part;
            if (!socket_.recv(part, zmq::recv_flags::dontwait)) return {};
            more = part.more();
            // A ROUTER's first part is its own.
            if (guarded_) sender_key_ = key_of(part);
            if (++count <= kMostParts) parts.push_back(part.to_string());
        }
        if (count > kMostParts) return {};
        return parts;
    }

    // Rule (6): unless it says soon that it connects.
    void connect_if_given_up() {
        if (endpoint_.empty()) return;
        given_up_.expires_after(kConnectsAgain);
        given_up_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
            const std::shared_ptr<Impl> self = weak.lock();
            if (error || !self || self->closed_) return;
            zmq_disconnect(self->socket_.handle(), self->endpoint_.c_str());
            self->connect(self->endpoint_);
            self->drain_soon();
        });
    }

    void set_key(int option, const std::string& key) {
        PLEAT_ASSERT(key.size() == kKeyBytes);
        if (zmq_setsockopt(socket_.handle(), option, key.data(), key.size()) != 0) {
            throw Failure{fmt::format("cannot use a key: {}", zmq_strerror(errno))};
        }
    }

    // As the doorkeeper has written it down.
    static std::string key_of(const zmq::message_t& part) {
        const char* const text = zmq_msg_gets(const_cast<zmq_msg_t*>(part.handle()), "User-Id");
        if (text == nullptr) return {};
        return parse_key(text).value_or(std::string{});
    }

    boost::asio::io_context& loop_;
    std::shared_ptr<zmq::context_t> context_;
    std::optional<Doorkeeper> doorkeeper_;
    std::optional<SideSocket> monitor_;
    bool guarded_ = false;
    std::string sender_key_;
    zmq::socket_t socket_;
    boost::asio::posix::stream_descriptor descriptor_;
    Handler handler_;
    std::string file_;
    std::string endpoint_;  // of connect()
    boost::asio::steady_timer given_up_;
    bool closed_ = false;
    bool drain_posted_ = false;
};

ZmqSource::ZmqSource(boost::asio::io_context& loop, zmq::socket_type type, std::size_t most_bytes,
                     Duration linger, Handler handler, std::shared_ptr<zmq::context_t> context)
    : impl_{std::make_shared<Impl>(loop, type, std::move(handler), std::move(context))} {
    using std::chrono::duration_cast;
    using std::chrono::milliseconds;
    socket().set(zmq::sockopt::linger,
                 static_cast<int>(duration_cast<milliseconds>(linger).count()));
    socket().set(zmq::sockopt::maxmsgsize, static_cast<std::int64_t>(most_bytes));
    // A peer that comes back is found soon.
    socket().set(zmq::sockopt::reconnect_ivl, 20);
    socket().set(zmq::sockopt::reconnect_ivl_max, 500);
    // A machine that is gone without a word, or cut off, is noticed; see zmq_setsockopt(3).
    socket().set(zmq::sockopt::heartbeat_ivl, 1000);
    socket().set(zmq::sockopt::heartbeat_timeout, 5000);
    socket().set(zmq::sockopt::handshake_ivl, 5000);
    impl_->wait();
}

ZmqSource::~ZmqSource() {
    impl_->close();
}

zmq::socket_t& ZmqSource::socket() {
    return impl_->socket();
}

void ZmqSource::guard(Guard guard) {
    impl_->guard(std::move(guard));
}

const std::string& ZmqSource::sender_key() const {
    return impl_->sender_key();
}

void ZmqSource::watch(std::function<void()> connected,
                      std::function<void(const std::string&)> refused) {
    impl_->watch(std::move(connected), std::move(refused));
}

void ZmqSource::bind(const std::string& endpoint) {
    open_endpoint(endpoint, impl_->guarded(), [this](const std::string& address) {
        if (address.find('[') != std::string::npos) socket().set(zmq::sockopt::ipv6, true);
        return zmq_bind(socket().handle(), address.c_str());
    });
    impl_->set_file(path_of(endpoint));
    impl_->drain_soon();
}

void ZmqSource::connect(const std::string& endpoint, const std::optional<Pass>& pass) {
    check_endpoint(endpoint, pass.has_value());
    if (pass) impl_->show(*pass);
    if (endpoint.find('[') != std::string::npos) socket().set(zmq::sockopt::ipv6, true);
    impl_->connect(endpoint);
    impl_->drain_soon();
}

bool ZmqSource::send(std::initializer_list<std::string_view> parts) {
    std::size_t left = parts.size();
    for (const std::string_view part : parts) {
        --left;
        const auto flags = left > 0 ? ZMQ_SNDMORE | ZMQ_DONTWAIT : ZMQ_DONTWAIT;
        if (zmq_send(socket().handle(), part.data(), part.size(), flags) >= 0) continue;
        if (errno == EINTR || errno == EAGAIN || errno == EHOSTUNREACH) {
            impl_->drain_soon();
            return false;
        }
        throw Failure{fmt::format("cannot send a message: {}", zmq_strerror(errno))};
    }
    if (impl_->readable()) impl_->drain_soon();
    return true;
}

std::string ZmqSource::endpoint() const {
    return impl_->socket().get(zmq::sockopt::last_endpoint);
}

}  // namespace pleat
