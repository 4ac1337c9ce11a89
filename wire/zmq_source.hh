// ZmqSource: one ZeroMQ socket as a source of messages for the event loop. Of use to
// wire/*.cc only.
//
// (1) The descriptor of a ZeroMQ socket is edge-triggered: it wakes us when something
//     changed, not while something is there, and sending may swallow a wake. So after
//     every wake, and after every send, the socket is read until ZMQ_EVENTS has no
//     POLLIN left.
// (2) A flood does not starve the loop: after kBurst messages others have a turn.
// (3) The handler is called from the loop only, never from within send().
// (4) With a guard, a connection is admitted by its key before anything is exchanged (ZAP,
//     RFC 27, answered from the loop), and each message says whose it is.
// (5) The handler may throw, and may destroy the ZmqSource (nothing more is delivered).
// (6) ZeroMQ connects again after most faults, but gives a connection up on which it was sent
//     what breaks its protocol, or a message that is too long. A source that is watched then
//     connects anew.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <zmq.hpp>

#include "base/duration.hh"
#include "wire/keys.hh"

namespace pleat {

// A context of its own: its thread is started with its first socket, and has real-time priority
// if the calling thread has it, since it carries its messages.
std::shared_ptr<zmq::context_t> make_zmq_context();

using ZmqParts = std::vector<std::string>;

class ZmqSource {
  public:
    using Handler = std::function<void(ZmqParts)>;

    // Parts longer than `most_bytes` end the connection that they come from. `context`: shared
    // with others that need neither guard() nor watch(); nothing: its own, with a thread.
    ZmqSource(boost::asio::io_context& loop, zmq::socket_type type, std::size_t most_bytes,
              Duration linger, Handler handler, std::shared_ptr<zmq::context_t> context = {});
    ~ZmqSource();
    ZmqSource(const ZmqSource&) = delete;
    ZmqSource& operator=(const ZmqSource&) = delete;

    // Before bind().
    void guard(Guard guard);

    // Throw Failure, with the endpoint and the cause. On tcp:// a guard or a pass is needed.
    void bind(const std::string& endpoint);
    void connect(const std::string& endpoint, const std::optional<Pass>& pass = {});

    // While a message is handled: the public key of its sender; empty without a guard.
    const std::string& sender_key() const;

    // Told from the loop each time a connection has been made, and when the other side
    // refuses our key, with what it is to say. Before connect().
    void watch(std::function<void()> connected, std::function<void(const std::string&)> refused);

    // For options.
    zmq::socket_t& socket();

    // False when the peer does not exist (ROUTER), or has no room (PUB never says so).
    bool send(std::initializer_list<std::string_view> parts);

    // Where it is bound: with the real port.
    std::string endpoint() const;

  private:
    class Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace pleat
