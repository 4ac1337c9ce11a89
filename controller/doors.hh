// Doors: where the controller listens, and the key that it shows at those of them that are open to
// the network.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "wire/control_socket.hh"
#include "wire/keys.hh"

namespace pleat {

class Doors {
  public:
    struct Keeper {
        // May somebody with this key come in? Only asked at tcp:// doors.
        std::function<bool(const std::string& key)> admits;
        std::function<void(ControlServer& door, const Sender& from, ControlMessage message)>
            receive;
    };

    // The key is in the state directory; it is made when there is none. Throws Failure when it is
    // damaged, or an endpoint can't be opened.
    Doors(boost::asio::io_context& loop, const std::vector<std::string>& endpoints,
          std::string state_directory, Keeper keeper);

    // Each as it is known to others, in the order of what was given.
    std::vector<std::string> endpoints() const;

    // Where machines reach us, and the key that they know us by; empty when they can't.
    const std::string& public_endpoint() const { return public_endpoint_; }

    std::string public_key() const { return keys_ ? keys_->public_key : ""; }

  private:
    void open(boost::asio::io_context& loop, const std::string& endpoint);

    std::string state_directory_;
    Keeper keeper_;
    std::optional<KeyPair> keys_;
    std::string public_endpoint_;
    std::vector<std::unique_ptr<ControlServer>> doors_;
};

}  // namespace pleat
