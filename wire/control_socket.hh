// The control connection: the command line and the nodes talk to the controller with
// ControlClient (DEALER), the controller to them with ControlServer (ROUTER).
//
// (1) Endpoints are ipc:// paths, or tcp:// with keys (wire/keys.hh).
// (2) send() never blocks and never drops: messages wait in memory for a slow peer.
// (3) A message that can't be decoded is dropped and counted; the first one from a
//     socket is told to on_bad_message.
// (4) A message says of which run it is; whose it is, is the daemons' business.
// (5) Destruction waits at most kLinger for the last messages to leave.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>

#include "base/duration.hh"
#include "wire/codec.hh"
#include "wire/keys.hh"

namespace pleat {

inline constexpr Duration kLinger = std::chrono::milliseconds{500};

// Where a message comes from.
struct Sender {
    std::string peer;  // the connection, as the server's send() takes it
    std::string name;  // as the sender says: a node's name
    std::string run;   // empty: of no run in particular
    std::string key;   // public, proved; empty on ipc://
};

using ControlHandler = std::function<void(const Sender& from, ControlMessage message)>;

struct ClientConnection {
    std::optional<Pass> pass;  // for tcp://
    // Each may be empty. Told each time the connection has been made: at first, and anew
    // after it was lost.
    std::function<void()> connected;
    std::function<void(const std::string& why)> refused;  // our key is
};

class ControlClient {
  public:
    // Returns at once; a controller that is not there yet is waited for. Throws Failure
    // when the endpoint makes no sense. A node names itself in `name`.
    ControlClient(boost::asio::io_context& loop, const std::string& endpoint,
                  ControlHandler on_message, std::string name = {},
                  ClientConnection connection = {});
    ~ControlClient();
    ControlClient(ControlClient&&) noexcept;
    ControlClient& operator=(ControlClient&&) noexcept;

    void send(const ControlMessage& message, const std::string& run = {});

    void on_bad_message(std::function<void(const std::string&)> callback);
    std::uint64_t bad_messages() const;

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

class ControlServer {
  public:
    // Throws Failure when the endpoint can't be opened: "ipc:///… is in use by another
    // process".
    ControlServer(boost::asio::io_context& loop, const std::string& endpoint,
                  ControlHandler on_message, std::optional<Guard> guard = {});
    ~ControlServer();
    ControlServer(ControlServer&&) noexcept;
    ControlServer& operator=(ControlServer&&) noexcept;

    // False when the peer is not connected (any more).
    bool send(const std::string& peer, const ControlMessage& message, const std::string& run = {});

    // Why a peer whose protocol has this version can't be talked to, in words it can read.
    void refuse(const std::string& peer, std::uint32_t version, const std::string& why);

    void on_bad_message(std::function<void(const std::string&)> callback);
    std::uint64_t bad_messages() const;

    // Where it listens: the real port for "tcp://127.0.0.1:*".
    std::string endpoint() const;

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace pleat
