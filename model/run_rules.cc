#include "model/run_rules.hh"

#include <algorithm>

namespace pleat {

namespace {

bool has_application(const Scenario& scenario, HostId host) {
    return !scenario.applications[host.value].arguments.empty();
}

}  // namespace

std::vector<HostId> hosts_before_t0(const Scenario& scenario, bool with_applications) {
    std::vector<HostId> result;
    if (!with_applications) return result;
    const std::size_t count = scenario.applications.size();
    std::vector<bool> early(count);
    for (std::size_t i = 0; i < count; ++i) {
        const Application& application = scenario.applications[i];
        early[i] = application.ready && !application.manual && !application.arguments.empty();
    }
    // Whoever waits for one that is not early is not early either.
    for (bool changed = true; changed;) {
        changed = false;
        for (std::size_t i = 0; i < count; ++i) {
            if (!early[i]) continue;
            for (const HostId dependency : scenario.applications[i].after) {
                if (!early[dependency.value]) {
                    early[i] = false;
                    changed = true;
                    break;
                }
            }
        }
    }
    for (std::uint32_t i = 0; i < count; ++i) {
        if (early[i]) result.push_back(HostId{i});
    }
    return result;
}

RunProgress::RunProgress(const Scenario& scenario, bool with_applications,
                         const std::vector<HostId>& local)
    : scenario_{&scenario},
      with_applications_{with_applications},
      hosts_(scenario.applications.size()),
      last_start_event_(scenario.applications.size(), 0) {
    for (const HostId host : hosts_before_t0(scenario, with_applications)) {
        hosts_[host.value].before_t0 = true;
    }
    for (const HostId host : local) hosts_[host.value].local = true;
    for (std::size_t place = 0; place < scenario.timeline.size(); ++place) {
        const auto* const action = std::get_if<HostAction>(&scenario.timeline[place].event);
        if (action == nullptr) continue;
        // The end of a window of `stop` or `crash` starts the host again.
        const bool starts =
            action->kind == HostAction::Kind::start || action->kind == HostAction::Kind::restart;
        if (starts) last_start_event_[action->host.value] = place + 1;
    }
}

bool RunProgress::dependencies_ready(HostId host) const {
    return std::ranges::all_of(scenario_->applications[host.value].after,
                               [this](HostId other) { return hosts_[other.value].ready; });
}

std::vector<HostId> RunProgress::due(bool after_t0) {
    std::vector<HostId> result;
    if (!with_applications_) return result;
    for (std::uint32_t i = 0; i < hosts_.size(); ++i) {
        HostProgress& host = hosts_[i];
        const HostId id{i};
        if (!host.local || host.state != State::idle) continue;
        if (!has_application(*scenario_, id)) continue;
        if (scenario_->applications[i].manual) continue;
        if (!after_t0 && !host.before_t0) continue;
        if (!dependencies_ready(id)) continue;
        host.state = State::told;
        result.push_back(id);
    }
    return result;
}

void RunProgress::started(HostId host) {
    hosts_[host.value].state = State::running;
}

void RunProgress::ready(HostId host) {
    hosts_[host.value].ready = true;
}

void RunProgress::started_by_event(HostId host) {
    hosts_[host.value].state = State::told;
}

void RunProgress::ended(HostId host, std::optional<int> exit_code, bool by_us) {
    hosts_[host.value].state = State::ended;
    const bool main = scenario_->applications[host.value].main;
    if (main && !by_us && exit_code.value_or(1) != 0) failed_ = true;
}

void RunProgress::remote(HostId host, const HostStatus& status) {
    HostProgress& known = hosts_[host.value];
    if (known.local) return;
    known.lost = false;
    known.ready = status.ready;
    known.events_done = status.events_done;
    switch (status.state) {
        case HostStatus::State::idle:
            known.state = State::idle;
            return;
        case HostStatus::State::started:
            known.state = State::running;
            return;
        case HostStatus::State::ended:
            known.state = State::ended;
            return;
    }
}

void RunProgress::lost(HostId host) {
    HostProgress& known = hosts_[host.value];
    if (!known.local) known.lost = true;
}

HostStatus RunProgress::status(HostId host) const {
    const HostProgress& known = hosts_[host.value];
    HostStatus status;
    status.ready = known.ready;
    status.events_done = static_cast<std::uint32_t>(events_done_);
    if (known.state == State::ended) status.state = HostStatus::State::ended;
    // One that was told to start is as good as running: it will have ended, too.
    if (known.state == State::told || known.state == State::running) {
        status.state = HostStatus::State::started;
    }
    return status;
}

void RunProgress::events_done(std::size_t count) {
    events_done_ = count;
}

bool RunProgress::barrier_reached() const {
    return waited_for().empty();
}

std::vector<HostId> RunProgress::waited_for() const {
    std::vector<HostId> result;
    for (std::uint32_t i = 0; i < hosts_.size(); ++i) {
        if (hosts_[i].before_t0 && !hosts_[i].ready) result.push_back(HostId{i});
    }
    return result;
}

bool RunProgress::will_start_again(HostId host) const {
    const HostProgress& known = hosts_[host.value];
    return last_start_event_[host.value] > (known.local ? events_done_ : known.events_done);
}

bool RunProgress::over() const {
    if (!with_applications_) {
        return !scenario_->duration && events_done_ >= scenario_->timeline.size() &&
               !scenario_->timeline.empty();
    }
    bool any_main = false;
    bool main_left = false;
    bool any_running = false;
    for (std::uint32_t i = 0; i < hosts_.size(); ++i) {
        const HostId id{i};
        if (!has_application(*scenario_, id)) continue;
        if (hosts_[i].lost) {
            // It can't end the run for us: it has ended.
            any_main = any_main || scenario_->applications[i].main;
            continue;
        }
        const Application& application = scenario_->applications[i];
        const State state = hosts_[i].state;
        const bool never = state == State::idle && application.manual && !will_start_again(id);
        const bool left = !never && (state != State::ended || will_start_again(id));
        any_running = any_running || left;
        if (application.main) {
            any_main = true;
            main_left = main_left || left;
        }
    }
    if (any_main) return !main_left;
    if (scenario_->duration) return false;
    return !any_running && events_done_ >= scenario_->timeline.size();
}

std::size_t RunProgress::ready_count() const {
    return static_cast<std::size_t>(std::ranges::count_if(
        hosts_, [](const HostProgress& host) { return host.local && host.ready; }));
}

std::size_t RunProgress::running_count() const {
    return static_cast<std::size_t>(std::ranges::count_if(hosts_, [](const HostProgress& host) {
        return host.local && host.state == State::running;
    }));
}

}  // namespace pleat
