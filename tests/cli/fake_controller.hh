#pragma once

#include <functional>
#include <string>
#include <thread>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "wire/control_socket.hh"

namespace pleat::testing {

// A controller of the test's making, in a thread of its own.
class FakeController {
  public:
    using Say = std::function<void(const ControlMessage&)>;
    using Behaviour = std::function<void(const ControlMessage&, const Say&)>;

    FakeController(const std::string& endpoint, Behaviour behaviour)
        : behaviour_{std::move(behaviour)},
          server_{loop_, endpoint,
                  [this](const Sender& from, const ControlMessage& message) {
                      behaviour_(message, [this, &from](const ControlMessage& answer) {
                          server_.send(from.peer, answer);
                      });
                  }},
          thread_{[this] {
              while (!stop_) loop_.run_one();
          }} {}

    ~FakeController() {
        boost::asio::post(loop_, [this] { stop_ = true; });
        thread_.join();
    }

    FakeController(const FakeController&) = delete;
    FakeController& operator=(const FakeController&) = delete;

  private:
    boost::asio::io_context loop_;
    Behaviour behaviour_;
    ControlServer server_;
    bool stop_ = false;
    std::thread thread_;
};

}  // namespace pleat::testing
