// A ZeroMQ socket in the event loop.
#include "wire/zmq_source.hh"

#include <exception>
#include <utility>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "base/error.hh"
#include "wire/endpoint.hh"

namespace pleat {

namespace {

constexpr int kBurst = 64;
// Our messages have three parts at most; of longer ones the rest is thrown away.
constexpr std::size_t kMostParts = 4;

}  // namespace

class ZmqSource::Impl : public std::enable_shared_from_this<Impl> {
  public:
    Impl(boost::asio::io_context& loop, zmq::socket_type type, Handler handler)
        : loop_{loop},
          socket_{context_, type},
          descriptor_{loop, socket_.get(zmq::sockopt::fd)},
          handler_{std::move(handler)} {}

    ~Impl() {
        // ZeroMQ leaves the file of a socket behind. While it is open, nobody else can
        // have taken its place.
        if (!file_.empty()) ::unlink(file_.c_str());
        // The descriptor belongs to ZeroMQ.
        descriptor_.release();
        socket_.close();
    }

    zmq::socket_t& socket() { return socket_; }

    // Of the Unix socket that is bound here.
    void set_file(std::string path) { file_ = std::move(path); }

    // What is delivered after this is nothing.
    void close() {
        closed_ = true;
        descriptor_.cancel();
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
            if (++count <= kMostParts) parts.push_back(part.to_string());
        }
        if (count > kMostParts) return {};
        return parts;
    }

    boost::asio::io_context& loop_;
    zmq::context_t context_;
    zmq::socket_t socket_;
    boost::asio::posix::stream_descriptor descriptor_;
    Handler handler_;
    std::string file_;
    bool closed_ = false;
    bool drain_posted_ = false;
};

ZmqSource::ZmqSource(boost::asio::io_context& loop, zmq::socket_type type, std::size_t most_bytes,
                     Duration linger, Handler handler)
    : impl_{std::make_shared<Impl>(loop, type, std::move(handler))} {
    using std::chrono::duration_cast;
    using std::chrono::milliseconds;
    socket().set(zmq::sockopt::linger,
                 static_cast<int>(duration_cast<milliseconds>(linger).count()));
    socket().set(zmq::sockopt::maxmsgsize, static_cast<std::int64_t>(most_bytes));
    // A peer that comes back is found soon.
    socket().set(zmq::sockopt::reconnect_ivl, 20);
    socket().set(zmq::sockopt::reconnect_ivl_max, 500);
    impl_->wait();
}

ZmqSource::~ZmqSource() {
    impl_->close();
}

zmq::socket_t& ZmqSource::socket() {
    return impl_->socket();
}

void ZmqSource::bind(const std::string& endpoint) {
    open_endpoint(endpoint, [this](const std::string& address) {
        if (address.find('[') != std::string::npos) socket().set(zmq::sockopt::ipv6, true);
        return zmq_bind(socket().handle(), address.c_str());
    });
    impl_->set_file(path_of(endpoint));
    impl_->drain_soon();
}

void ZmqSource::connect(const std::string& endpoint) {
    check_endpoint(endpoint);
    if (endpoint.find('[') != std::string::npos) socket().set(zmq::sockopt::ipv6, true);
    if (zmq_connect(socket().handle(), endpoint.c_str()) != 0) {
        throw Failure{fmt::format("cannot connect to {}: {}", endpoint, zmq_strerror(errno))};
    }
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
