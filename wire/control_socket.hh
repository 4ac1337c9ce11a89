// The control connection: the command line and the nodes talk to the controller with
// ControlClient (DEALER), the controller to them with ControlServer (ROUTER).
//
// (1) Endpoints are ipc:// paths, or tcp:// on the loopback; other addresses need keys,
//     which are not there yet, and are refused.
// (2) send() never blocks and never drops: messages wait in memory for a slow peer.
// (3) A message that can't be decoded is dropped and counted; the first one from a
//     socket is told to on_bad_message.
// (4) Messages of another run than the one that was set are stale: dropped and counted.
// (5) Destruction waits at most kLinger for the last messages to leave.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>

#include "base/duration.hh"
#include "wire/codec.hh"

namespace pleat {

inline constexpr Duration kLinger = std::chrono::milliseconds{500};

class ControlClient {
  public:
    // Returns at once; a controller that is not there yet is waited for. Throws Failure
    // when the endpoint makes no sense. A node names itself in `sender`.
    ControlClient(boost::asio::io_context& loop, const std::string& endpoint,
                  std::function<void(ControlMessage)> on_message, std::string sender = {});
    ~ControlClient();
    ControlClient(ControlClient&&) noexcept;
    ControlClient& operator=(ControlClient&&) noexcept;

    void send(const ControlMessage& message);

    // Messages carry this run from now on. A PrepareRun that arrives sets it, too.
    void set_run(std::string run);

    void on_bad_message(std::function<void(const std::string&)> callback);
    std::uint64_t bad_messages() const;

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

class ControlServer {
  public:
    using Handler = std::function<void(const std::string& peer, ControlMessage message)>;

    // Throws Failure when the endpoint can't be opened: "ipc:///… is in use by another
    // process".
    ControlServer(boost::asio::io_context& loop, const std::string& endpoint, Handler on_message);
    ~ControlServer();
    ControlServer(ControlServer&&) noexcept;
    ControlServer& operator=(ControlServer&&) noexcept;

    // False when the peer is not connected (any more).
    bool send(const std::string& peer, const ControlMessage& message);

    // Messages carry this run from now on, and those that arrive for another are stale.
    void set_run(std::string run);

    void on_bad_message(std::function<void(const std::string&)> callback);
    std::uint64_t bad_messages() const;
    std::uint64_t stale_messages() const;

    // Where it listens: the real port for "tcp://127.0.0.1:*".
    std::string endpoint() const;

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace pleat
