// MissedMachines: which machines of a run that are not heard any more are given up.
//
// (1) A machine is missed after three heartbeats; its flows leave the shares then. Its hosts still
//     count: it may only be cut off, or its node daemon be started anew, and the run of all others
//     must not end because its last main host is not heard of.
// (2) One that is missed for as long as a keeper lives without a node daemon is given up: by then
//     its applications have ended, unless it lives on alone, and nobody can know that.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/clock.hh"

namespace pleat {

class MissedMachines {
  public:
    static constexpr Duration kPatience = std::chrono::seconds{30};

    void missed(const std::string& machine, Instant now) { since_.try_emplace(machine, now); }

    void heard(const std::string& machine) { since_.erase(machine); }

    // Each is told once.
    std::vector<std::string> given_up(Instant now) {
        std::vector<std::string> machines;
        std::erase_if(since_, [&](const auto& one) {
            if (now - one.second < kPatience) return false;
            machines.push_back(one.first);
            return true;
        });
        return machines;
    }

  private:
    std::map<std::string, Instant> since_;
};

}  // namespace pleat
