// What a session waits for at most, and whom it talks to.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/clock.hh"
#include "wire/messages.hh"

namespace pleat {

struct SessionDeadlines {
    Duration start = std::chrono::seconds{60};  // from acceptance to start()
    Duration node = std::chrono::seconds{10};
    Duration prepared = std::chrono::seconds{30};      // from one acknowledgement to the next
    Duration ready_margin = std::chrono::seconds{10};  // beyond the run's own ready_deadline
    Duration clock = std::chrono::seconds{5};
    Duration begin = std::chrono::seconds{5};        // from T0
    Duration silence = std::chrono::seconds{10};     // of a node while the run is under way
    Duration resume = std::chrono::seconds{30};      // for nodes to come to one that resumes
    Duration end_margin = std::chrono::seconds{30};  // beyond the run's duration
    Duration ending = std::chrono::seconds{15};
    Duration log = std::chrono::seconds{30};  // from one piece to the next
};

struct SessionOutputs {
    // Who asked for a change (controller/hand_changes.hh).
    using Asker = std::uint32_t;

    std::function<void(const ControlMessage&)> to_cli;
    std::function<void(const std::string& machine, const ControlMessage&)> to_node;
    // 32 bytes that nobody can foresee; asked for once for each pair of machines.
    std::function<std::string()> fresh_key;
    // To who asked for a change: RunChanged, or Refused.
    std::function<void(Asker, const ControlMessage&)> to_asker = {};

    void stage(std::string name, std::string text) const {
        to_cli(Stage{.name = std::move(name), .text = std::move(text)});
    }
};

// "30 s", "0.5 s".
inline std::string in_seconds(Duration duration) {
    return fmt::format("{:g} s", std::chrono::duration<double>{duration}.count());
}

}  // namespace pleat
