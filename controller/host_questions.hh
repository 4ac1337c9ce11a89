// HostQuestions: what operators ask of hosts of runs under way (ReadOutput, Execute), passed on to
// the hosts' nodes, and whom the answers are for. A ticket of our own stands for each question.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controller/node_registry.hh"

namespace pleat {

class HostQuestions {
  public:
    // Questions that are never answered (of a node that died) are forgotten in the end.
    static constexpr std::size_t kMost = 1000;

    // The ticket that the node is given in place of `ticket`.
    std::uint32_t ask(const std::string& run, const Caller& caller, std::uint32_t ticket) {
        if (asked_.size() == kMost) asked_.pop_front();
        asked_.push_back({++last_, run, caller, ticket});
        return last_;
    }

    // The run is over: who still waits for an answer.
    std::vector<Caller> end(const std::string& run) {
        std::vector<Caller> waiting;
        for (const Asked& each : asked_) {
            if (each.run == run) waiting.push_back(each.caller);
        }
        std::erase_if(asked_, [&run](const Asked& each) { return each.run == run; });
        return waiting;
    }

    // Whose question it is, and his ticket; nothing when it is none, or was answered before.
    std::optional<std::pair<Caller, std::uint32_t>> whose(std::uint32_t ours) const {
        const auto asked = std::ranges::find(asked_, ours, &Asked::ours);
        if (asked == asked_.end()) return {};
        return std::pair{asked->caller, asked->ticket};
    }

    // The same, and there is nothing more to say to it.
    std::optional<std::pair<Caller, std::uint32_t>> answered(std::uint32_t ours) {
        auto asker = whose(ours);
        std::erase_if(asked_, [ours](const Asked& each) { return each.ours == ours; });
        return asker;
    }

  private:
    struct Asked {
        std::uint32_t ours;
        std::string run;
        Caller caller;
        std::uint32_t ticket;
    };

    std::uint32_t last_ = 0;
    std::deque<Asked> asked_;
};

}  // namespace pleat
