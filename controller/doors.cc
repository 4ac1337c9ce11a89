// Where the controller listens.
#include "controller/doors.hh"

#include <filesystem>
#include <utility>

#include "base/error.hh"
#include "base/files.hh"
#include "base/log.hh"

namespace pleat {

namespace {

// The controller's own key, made once.
KeyPair server_keys(const std::string& state_directory) {
    const std::string path = state_directory + "/controller.key";
    if (std::filesystem::exists(path)) {
        const Result<std::string> text = read_secret_file(path);
        if (!text) throw Failure{text.error().message};
        const Result<std::string> secret = parse_key(text->substr(0, text->find('\n')));
        if (!secret) throw Failure{path + " is damaged: " + secret.error().message};
        return pair_of(*secret);
    }
    const KeyPair keys = make_key_pair();
    write_secret_file(path, key_text(keys.secret_key) + "\n");
    return keys;
}

}  // namespace

Doors::Doors(boost::asio::io_context& loop, const std::vector<std::string>& endpoints,
             std::string state_directory, Keeper keeper)
    : state_directory_{std::move(state_directory)}, keeper_{std::move(keeper)} {
    PLEAT_ASSERT(!endpoints.empty());
    for (const std::string& endpoint : endpoints) open(loop, endpoint);
}

void Doors::open(boost::asio::io_context& loop, const std::string& endpoint) {
    const bool is_public = endpoint.starts_with("tcp://");
    std::optional<Guard> guard;
    if (is_public) {
        if (!keys_) keys_ = server_keys(state_directory_);
        guard = Guard{.keys = *keys_, .admits = keeper_.admits};
    }
    const std::size_t index = doors_.size();
    doors_.push_back(std::make_unique<ControlServer>(
        loop, endpoint,
        [this, index](const Sender& from, ControlMessage message) {
            keeper_.receive(*doors_[index], from, std::move(message));
        },
        std::move(guard)));
    doors_.back()->on_bad_message([](const std::string& why) {
        log::warn("dropped a message, and will drop others silently: {}", why);
    });
    if (is_public) public_endpoint_ = doors_.back()->endpoint();
}

std::vector<std::string> Doors::endpoints() const {
    std::vector<std::string> result;
    result.reserve(doors_.size());
    for (const auto& door : doors_) result.push_back(door->endpoint());
    return result;
}

}  // namespace pleat
