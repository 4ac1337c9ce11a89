// The machines of a run.
#include "controller/session_parts.hh"

#include <utility>

#include <fmt/format.h>

#include "base/joined.hh"

namespace pleat {

SessionParts::SessionParts(const RunPlan& plan) {
    PLEAT_ASSERT(!plan.parts.empty());
    for (const MachinePart& part : plan.parts) parts_.emplace_back(part, plan);
}

SessionPart* SessionParts::find(const std::string& machine) {
    const auto found = std::ranges::find(parts_, machine,
                                         [](const SessionPart& each) { return each.part.machine; });
    return found == parts_.end() ? nullptr : &*found;
}

bool SessionParts::any_open() const {
    return std::ranges::any_of(parts_, [](const SessionPart& part) { return part.open(); });
}

std::string SessionParts::who(const SessionPart& part) const {
    return one() ? "the node" : "machine " + part.part.machine;
}

std::string SessionParts::who(const Filter& filter) const {
    if (one()) return "the node";
    std::vector<std::string> names;
    for (const SessionPart& part : parts_) {
        if (filter(part)) names.push_back(part.part.machine);
    }
    return fmt::format("machine{} {}", names.size() == 1 ? "" : "s", joined(names, ", "));
}

std::string SessionParts::said_by(const SessionPart& part, const std::string& problem) const {
    return one() ? problem : part.part.machine + ": " + problem;
}

SessionParts::Silence SessionParts::look_for_silence(Instant now, Duration patience) {
    Silence silence;
    bool any_speaks = false;
    for (SessionPart& part : parts_) {
        if (!part.open() || part.silent) continue;
        if (now < part.heard + patience) {
            any_speaks = true;
            continue;
        }
        part.silent = true;
        silence.fresh.push_back(&part);
    }
    silence.of_all = !any_speaks && any_open();
    return silence;
}

std::optional<Instant> SessionParts::next_silence(Duration patience) const {
    std::optional<Instant> next;
    for (const SessionPart& part : parts_) {
        if (!part.open() || part.silent) continue;
        next = std::min(next.value_or(Instant::max()), part.heard + patience);
    }
    return next;
}

std::optional<Progress> SessionParts::take_progress() {
    std::optional<Progress> sum;
    for (SessionPart& part : parts_) {
        if (!part.progress) continue;
        const Progress each = *std::exchange(part.progress, std::nullopt);
        if (!sum) {
            sum = each;
            continue;
        }
        sum->at = std::max(sum->at, each.at);
        sum->epoch = std::min(sum->epoch, each.epoch);  // in force everywhere
        sum->throughput_bps += each.throughput_bps;
        sum->hosts_ready += each.hosts_ready;
        sum->hosts_running += each.hosts_running;
    }
    return sum;
}

Duration SessionParts::worst_round_trip() const {
    Duration worst{};
    for (const SessionPart& part : parts_) worst = std::max(worst, part.clock.worst_rtt());
    return worst;
}

std::vector<MachineResult> SessionParts::results() const {
    std::vector<MachineResult> results;
    results.reserve(parts_.size());
    for (const SessionPart& part : parts_) {
        results.push_back({.name = part.part.machine,
                           .data_plane = part.ready ? part.ready->data_plane : "",
                           .control = part.control,
                           .clock_error = part.drift.most()});
    }
    return results;
}

}  // namespace pleat
