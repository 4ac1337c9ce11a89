// RouteBatch: several requests to rtnetlink, sent in one packet.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <linux/netlink.h>

namespace pleat::keeper {

class RouteBatch {
  public:
    // Begins a request whose fixed part is `header`; `attempt` is said when it fails.
    template <typename Header>
    void request(std::string attempt, std::uint16_t type, std::uint16_t flags,
                 const Header& header) {
        begin(std::move(attempt), type, flags);
        append(&header, sizeof header);
    }

    // Adds an attribute to the request begun last.
    void attribute(std::uint16_t type, const void* content, std::size_t size);

    template <typename T>
    void attribute(std::uint16_t type, const T& value) {
        attribute(type, &value, sizeof value);
    }

    // Has the kernel do all, in order. Throws what the first refused one attempted.
    void send();

  private:
    void begin(std::string attempt, std::uint16_t type, std::uint16_t flags);
    void append(const void* content, std::size_t size);

    std::vector<char> packet_;
    std::vector<std::string> attempts_;
    std::size_t last_ = 0;  // where the request begun last lies
};

}  // namespace pleat::keeper
