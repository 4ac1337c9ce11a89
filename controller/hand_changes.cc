#include "controller/hand_changes.hh"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "base/joined.hh"
#include "readers/read_scenario.hh"

namespace pleat {

namespace {

constexpr Duration kAfterwards{1};

std::uint32_t highest_overlay(const Scenario& scenario) {
    std::uint32_t highest = 0;
    for (const TimedEvent& event : scenario.timeline) highest = std::max(highest, event.overlay);
    return highest;
}

}  // namespace

HandChanges::HandChanges(const RunPlan& plan, Surroundings surroundings)
    : plan_{plan},
      outside_{std::move(surroundings)},
      next_overlay_{highest_overlay(plan.scenario) + 1} {
    for (const MachinePart& part : plan.parts) machines_.push_back(part.machine);
}

// ---- what is asked

Result<HandChanges::Request> HandChanges::parsed(const std::vector<std::string>& lines) {
    Request request{.asker = 0, .lines = lines, .topology = {}, .actions = {}};
    if (lines.empty()) return fail("there is nothing to do: give an event line");
    for (const std::string& line : lines) {
        Result<std::vector<TimedEvent>> events =
            parse_event_line(line, plan_.scenario, ExperimentTime{});
        if (!events) return tl::unexpected{events.error()};
        const std::uint32_t overlay = next_overlay_++;
        for (TimedEvent& event : *events) {
            if (event.at != ExperimentTime{}) {
                return fail(fmt::format(
                    "'{}' lasts for a while; by hand only what happens at one instant can be done",
                    line));
            }
            if (!changes_topology(event.event)) {
                request.actions.push_back(std::move(event));
                continue;
            }
            event.phase = Phase::by_hand;
            event.overlay = overlay;
            request.topology.push_back(std::move(event));
        }
    }
    return request;
}

void HandChanges::ask(Asker asker, const std::vector<std::string>& lines, ExperimentTime now) {
    Result<Request> request = parsed(lines);
    if (!request) return outside_.answer(asker, Refused{request.error().message});
    request->asker = asker;
    waiting_.push_back(*std::move(request));
    begin_next(now);
}

void HandChanges::begin_next(ExperimentTime now) {
    if (preparing_ || waiting_.empty()) return;
    std::vector<Request> requests = std::exchange(waiting_, {});
    const bool any_table = std::ranges::any_of(
        requests, [](const Request& request) { return !request.topology.empty(); });
    if (any_table) return prepare(std::move(requests), now, Duration::zero());
    Change change;
    for (Request& request : requests) {
        std::ranges::move(request.lines, std::back_inserter(change.result.lines));
        std::ranges::move(request.actions, std::back_inserter(change.actions));
        change.askers.push_back(request.asker);
    }
    announce(std::move(change), earliest(now));
    begin_next(now);
}

// `ahead`: how much later than the earliest instant it may become.
void HandChanges::prepare(std::vector<Request> requests, ExperimentTime now, Duration ahead) {
    const std::vector<HandChange> before = hand_changes();
    Preparation next;
    next.began = now;
    next.version.based_on = last_version();
    HandChange& change = next.version.change;
    change.version = ++used_version_;
    change.epoch = epoch_at(plan_.epochs.epochs, earliest(now) + ahead);
    if (!before.empty()) change.epoch = std::max(change.epoch, before.back().epoch);
    for (const Request& request : requests) {
        std::ranges::copy(request.topology, std::back_inserter(change.events));
    }
    next.version.deltas = compute_version(plan_.scenario, before, change);
    const ExperimentTime horizon = earliest(now) + ahead + kHorizon;
    const auto soon = static_cast<std::size_t>(
        std::ranges::count_if(next.version.deltas, [this, horizon](const PathTableDelta& delta) {
            return plan_.epochs.epochs[delta.epoch.value].start <= horizon;
        }));
    next.needed = std::min(next.version.deltas.size(), std::max<std::size_t>(soon, kPushedFirst));
    next.requests = std::move(requests);
    for (const std::string& machine : machines_) {
        if (outside_.reachable(machine)) next.asked.insert(machine);
    }
    preparing_ = std::move(next);
    for (const std::string& machine : std::set<std::string>{preparing_->asked}) {
        push(machine, preparing_->version, 0, preparing_->needed);
    }
}

void HandChanges::push(const std::string& machine, const Version& version, std::size_t from,
                       std::size_t to) const {
    for (std::size_t i = from; i < to; ++i) {
        PrepareEpoch epoch{.delta = version.deltas[i]};
        if (i == 0) epoch.based_on = version.based_on;
        outside_.to_node(machine, epoch);
    }
}

// ---- what machines answer

Result<void> HandChanges::receive(const std::string& machine, const Prepared& prepared,
                                  ExperimentTime now) {
    const Version* version = nullptr;
    if (preparing_ && preparing_->version.change.version == prepared.version) {
        version = &preparing_->version;
    }
    for (const Change& change : changes_) {
        if (change.version && change.version->change.version == prepared.version) {
            version = &*change.version;
        }
    }
    if (version == nullptr) return {};  // of one that was computed anew since
    const std::uint32_t first = version->change.epoch.value;
    const std::uint32_t epoch = prepared.epoch.value;
    if (epoch < first || epoch - first >= version->deltas.size() ||
        version->deltas[epoch - first].hash != prepared.hash) {
        return fail(fmt::format("machine {}'s path table ({}, {}) has the hash {}, which is wrong",
                                machine, prepared.version, epoch, hash_text(prepared.hash)));
    }
    if (preparing_ && version == &preparing_->version) {
        preparing_->acknowledged.emplace(machine, epoch);
        announce_if_acknowledged(now);
    }
    return {};
}

bool HandChanges::acknowledged_by(const std::string& machine) const {
    for (std::size_t i = 0; i < preparing_->needed; ++i) {
        const std::uint32_t epoch = preparing_->version.deltas[i].epoch.value;
        if (!preparing_->acknowledged.contains({machine, epoch})) return false;
    }
    return true;
}

void HandChanges::announce_if_acknowledged(ExperimentTime now) {
    const bool all = std::ranges::all_of(preparing_->asked, [this](const std::string& machine) {
        return acknowledged_by(machine) || !outside_.reachable(machine);
    });
    if (all || now >= preparing_->began + kPatience) announce(now);
}

ExperimentTime HandChanges::earliest(ExperimentTime now) const {
    ExperimentTime at = now + std::max(kLeastLead, 3 * outside_.worst_round_trip());
    if (!changes_.empty()) at = std::max(at, changes_.back().result.at + kAfterwards);
    return at;
}

void HandChanges::announce(ExperimentTime now) {
    std::vector<std::string> have;
    for (const std::string& machine : preparing_->asked) {
        if (acknowledged_by(machine)) have.push_back(machine);
    }
    Preparation ready = *std::exchange(preparing_, std::nullopt);
    if (have.empty()) {
        for (const Request& request : ready.requests) {
            outside_.answer(request.asker,
                            Refused{fmt::format("no machine of the run has answered within {} s: "
                                                "nothing was changed",
                                                kPatience / std::chrono::seconds{1})});
        }
        return begin_next(now);
    }
    const std::vector<Epoch>& epochs = plan_.epochs.epochs;
    const std::uint32_t epoch = ready.version.change.epoch.value;
    ExperimentTime at = earliest(now);
    if (epoch > 0) at = std::max(at, epochs[epoch].start + kAfterwards);
    if (epoch + 1 < epochs.size() && at >= epochs[epoch + 1].start) {
        return prepare(std::move(ready.requests), now, 2 * (now - ready.began) + kLeastLead);
    }
    Change change;
    for (Request& request : ready.requests) {
        std::ranges::move(request.lines, std::back_inserter(change.result.lines));
        std::ranges::move(request.actions, std::back_inserter(change.actions));
        change.askers.push_back(request.asker);
    }
    const std::size_t pushed = ready.needed;
    change.version = std::move(ready.version);
    announce(std::move(change), at);
    const Version& version = *changes_.back().version;
    for (const std::string& machine : have) {
        push(machine, version, pushed, version.deltas.size());
    }
    begin_next(now);
}

void HandChanges::announce(Change change, ExperimentTime at) {
    ChangeResult& result = change.result;
    result.number = static_cast<std::uint32_t>(changes_.size()) + 1;
    result.at = at;
    result.epoch = epoch_at(plan_.epochs.epochs, at);
    if (change.version) result.version = change.version->change.version;
    result.missing = machines_;
    change.patience = at + kPatience;
    changes_.push_back(std::move(change));
    outside_.keep();
    // One that has not the tables says so, and is told again.
    for (const std::string& machine : machines_) {
        outside_.to_node(machine, announcement(changes_.back()));
    }
}

AnnounceChange HandChanges::announcement(const Change& change) const {
    return {.number = change.result.number,
            .version = change.result.version,
            .at = change.result.at,
            .actions = change.actions,
            .text = joined(change.result.lines, "; ")};
}

void HandChanges::receive(const std::string& machine, const ChangeDone& done, ExperimentTime now) {
    if (done.number == 0 || done.number > changes_.size()) return;
    Change& change = changes_[done.number - 1];
    if (std::ranges::find(machines_, machine) == machines_.end()) return;
    if (!change.done.insert(machine).second) return;
    std::erase(change.result.missing, machine);
    change.result.late = std::max(change.result.late, done.late);
    look_at(change, now);
    outside_.keep();
}

// Answers those who asked, when there is an answer.
void HandChanges::look_at(Change& change, ExperimentTime now) const {
    if (!change.patience) return;
    const bool all = std::ranges::all_of(change.result.missing, [&](const std::string& machine) {
        return now >= change.result.at && !outside_.reachable(machine);
    });
    if (!all && now < *change.patience) return;
    change.patience.reset();
    for (const Asker asker : std::exchange(change.askers, {})) {
        outside_.answer(asker, RunChanged{change.result});
    }
    if (change.result.missing.empty()) return;
    outside_.warn(
        fmt::format("the change at t={:.3f}s ({}) is not in force on {}: cut from the network "
                    "there until it is",
                    std::chrono::duration<double>{change.result.at.time_since_epoch()}.count(),
                    joined(change.result.lines, "; "), joined(change.result.missing, ", ")));
}

void HandChanges::receive(const std::string& machine, const ChangeMissed& missed) {
    machine_back(machine, missed.changes);
}

void HandChanges::machine_back(const std::string& machine, std::uint32_t changes) {
    for (const Change& change : changes_) {
        const bool told = change.result.number <= changes;
        // Of those that it was told of, tables of the last version may have been lost.
        const bool needs_tables = !told || change.result.version == last_version();
        if (change.version && needs_tables) {
            push(machine, *change.version, 0, change.version->deltas.size());
        }
        if (!told || !change.done.contains(machine)) {
            outside_.to_node(machine, announcement(change));
        }
    }
    if (!preparing_) return;
    preparing_->asked.insert(machine);
    push(machine, preparing_->version, 0, preparing_->needed);
}

// ---- time and the end

void HandChanges::tick(ExperimentTime now) {
    if (preparing_) announce_if_acknowledged(now);
    for (Change& change : changes_) look_at(change, now);
}

std::optional<ExperimentTime> HandChanges::deadline() const {
    std::optional<ExperimentTime> first;
    if (preparing_) first = preparing_->began + kPatience;
    for (const Change& change : changes_) {
        if (change.patience) first = std::min(first.value_or(*change.patience), *change.patience);
    }
    return first;
}

void HandChanges::end() {
    const Refused refused{"the run has ended"};
    for (const Request& request : std::exchange(waiting_, {})) {
        outside_.answer(request.asker, refused);
    }
    if (preparing_) {
        const Preparation lost = *std::exchange(preparing_, std::nullopt);
        for (const Request& request : lost.requests) outside_.answer(request.asker, refused);
    }
    for (Change& change : changes_) {
        change.patience.reset();
        for (const Asker asker : std::exchange(change.askers, {})) {
            outside_.answer(asker, RunChanged{change.result});
        }
    }
}

void HandChanges::resume(const std::vector<ChangeResult>& announced) {
    for (const ChangeResult& result : announced) {
        Change change;
        change.result = result;
        // They were right when they were asked.
        Request request = parsed(result.lines).value_or(Request{});
        change.actions = std::move(request.actions);
        if (result.version) {
            Version version;
            version.based_on = last_version();
            version.change = {.version = *result.version,
                              .epoch = result.epoch,
                              .events = std::move(request.topology)};
            version.deltas = compute_version(plan_.scenario, hand_changes(), version.change);
            used_version_ = *result.version;
            change.version = std::move(version);
        }
        for (const std::string& machine : machines_) {
            if (std::ranges::find(result.missing, machine) == result.missing.end()) {
                change.done.insert(machine);
            }
        }
        changes_.push_back(std::move(change));
    }
}

std::vector<ChangeResult> HandChanges::results() const {
    std::vector<ChangeResult> results;
    results.reserve(changes_.size());
    for (const Change& change : changes_) results.push_back(change.result);
    return results;
}

std::vector<HandChange> HandChanges::hand_changes() const {
    std::vector<HandChange> result;
    for (const Change& change : changes_) {
        if (change.version) result.push_back(change.version->change);
    }
    return result;
}

std::uint32_t HandChanges::last_version() const {
    std::uint32_t last = 1;
    for (const Change& change : changes_) last = change.result.version.value_or(last);
    return last;
}

}  // namespace pleat
