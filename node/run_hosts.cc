// This node's hosts in its run.
#include "node/run_hosts.hh"

#include <algorithm>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "base/log.hh"
#include "base/overload.hh"
#include "model/actions_done.hh"

namespace pleat {

RunHosts::RunHosts(const Scenario& scenario, const AddressPlan& addresses,
                   const std::vector<HostId>& local, bool with_applications,
                   Surroundings surroundings)
    : scenario_{scenario},
      local_{local},
      outside_{std::move(surroundings)},
      sharer_{outside_.sharing.sharer()},
      progress_{scenario, with_applications, local},
      cuts_{outside_.plane, local},
      results_{scenario.topology, addresses, local},
      actions_{outside_.fleet, cuts_, results_, progress_, sharer_, with_applications} {}

bool RunHosts::has(HostId host) const {
    return std::ranges::binary_search(local_, host);
}

// The other nodes, how far a host of ours is.
void RunHosts::tell_of(HostId host) {
    outside_.sharing.tell(host, progress_.status(host));
}

void RunHosts::start_due(bool after_t0) {
    for (const HostId host : progress_.due(after_t0)) {
        outside_.fleet.start(host);
        tell_of(host);
    }
}

// ---- what they report

void RunHosts::receive(const HostReport& report, RunStage stage) {
    std::visit(Overload{
                   [this](const HostStarted& m) { started(m); },
                   [this, stage](const HostReady& m) { became_ready(m, stage); },
                   [this, stage](const HostExited& m) { exited(m, stage); },
                   [](const ExecEnded&) {},
                   [this](const HostLost& m) { lost(m); },
               },
               report);
}

void RunHosts::started(const HostStarted& started) {
    results_.started(started.host, started.at);
    progress_.started(started.host);
    tell_of(started.host);
    outside_.recorder.host(started.host, started.at, "started");
}

void RunHosts::became_ready(const HostReady& ready, RunStage stage) {
    progress_.ready(ready.host);
    tell_of(ready.host);
    outside_.recorder.host(ready.host, ready.at, "ready");
    start_due(stage == RunStage::running);
    outside_.ready();
}

void RunHosts::exited(const HostExited& exited, RunStage stage) {
    const HostId host = exited.host;
    if (stage == RunStage::ending) results_.ended_by_us(host);
    results_.exited(host, exited.exit_code, exited.problem);
    const bool by_us = results_.was_ended_by_us(host);
    progress_.ended(host, exited.exit_code, by_us);
    tell_of(host);
    outside_.recorder.host(host, exited.at,
                           exited.exit_code ? fmt::format("exited {}", *exited.exit_code)
                                            : "not started: " + exited.problem);
    if (stage == RunStage::preparing && !by_us) {
        return outside_.fail(
            fmt::format("host {} {} before it was ready", name(host),
                        exited.exit_code ? fmt::format("ended with exit code {}", *exited.exit_code)
                                         : "could not start: " + exited.problem));
    }
    if (!exited.exit_code) {
        outside_.problem(fmt::format("host {} could not start: {}", name(host), exited.problem));
    }
    if (stage == RunStage::running) actions_.exited(host);
}

void RunHosts::lost(const HostLost& lost) {
    const std::string problem = fmt::format("host {} was lost: {}", name(lost.host), lost.reason);
    log::error("{}", problem);
    results_.lost(lost.host, problem);
    sharer_.host_crashed(lost.host, monotonic_now());
    outside_.recorder.host(lost.host, monotonic_now(), "lost");
    outside_.fail(problem);
}

// ---- what is done to them

void RunHosts::carry_out(const HostAction& action, const std::string& text) {
    if (!has(action.host)) return;
    actions_.carry_out(action, text);
    tell_of(action.host);
}

void RunHosts::fence(bool closed, Instant now) {
    cuts_.fence(closed);
    if (!closed) return;
    for (const HostId host : local_) sharer_.host_crashed(host, now);
}

// ---- taking over

std::size_t RunHosts::recall(const LogSoFar& log) {
    const auto events = std::span{scenario_.timeline}.first(log.events_done(scenario_.timeline));
    const ActionsDone done = actions_done(events);
    for (const HostId host : local_) {
        // In a kernel plane it is as it was left, if nothing was half done.
        if (done.cut.contains(host)) {
            cuts_.crash(host);
        } else {
            cuts_.revive(host);
        }
        if (done.ended.contains(host)) results_.ended_by_us(host);
    }
    for (const HostRecord& record : log.hosts) {
        if (record.what == "started") {
            results_.started(record.host, outside_.recorder.instant(record.at));
            progress_.started(record.host);
        } else if (record.what == "ready") {
            progress_.ready(record.host);
        } else {
            const auto exit_code = exit_code_told(record);
            results_.exited(record.host, exit_code, "");
            progress_.ended(record.host, exit_code, results_.was_ended_by_us(record.host));
        }
    }
    progress_.events_done(events.size());
    for (const HostId host : local_) tell_of(host);
    return events.size();
}

}  // namespace pleat
