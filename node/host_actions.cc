#include "node/host_actions.hh"

#include "base/clock.hh"
#include "base/log.hh"

namespace pleat {

HostActions::HostActions(HostFleet& fleet, HostCuts& cuts, HostResults& results,
                         RunProgress& progress, Sharer& sharer, bool with_applications)
    : fleet_{fleet},
      cuts_{cuts},
      results_{results},
      progress_{progress},
      sharer_{sharer},
      with_applications_{with_applications} {}

void HostActions::carry_out(const HostAction& action, const std::string& text) {
    const HostId host = action.host;
    switch (action.kind) {
        case HostAction::Kind::start:
            if (fleet_.running(host)) {
                log::warn("event has no effect: host runs already event=\"{}\"", text);
                return;
            }
            start(host);
            return;
        case HostAction::Kind::restart:
            if (!fleet_.running(host)) return start(host);
            restart_when_ended_.insert(host);
            results_.ended_by_us(host);
            fleet_.stop(host);
            return;
        case HostAction::Kind::stop:
            results_.ended_by_us(host);
            fleet_.stop(host);
            return;
        case HostAction::Kind::crash:
            // A power failure: the paths are cut in the instant of the kill.
            results_.ended_by_us(host);
            cuts_.crash(host);
            fleet_.crash(host);
            sharer_.host_crashed(host, monotonic_now());
            return;
        case HostAction::Kind::pause:
            fleet_.pause(host);
            return;
        case HostAction::Kind::resume:
            fleet_.resume(host);
            return;
    }
}

void HostActions::exited(HostId host) {
    if (restart_when_ended_.contains(host)) start(host);
}

void HostActions::start(HostId host) {
    if (!with_applications_) return;
    restart_when_ended_.erase(host);
    cuts_.revive(host);
    results_.revived(host);
    progress_.started_by_event(host);
    fleet_.start(host);
}

}  // namespace pleat
