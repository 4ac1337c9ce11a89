// HostActions: what events do to this node's hosts: start, stop, crash, restart, pause, resume.
#pragma once

#include <set>
#include <string>

#include "model/event.hh"
#include "model/run_rules.hh"
#include "node/host_cuts.hh"
#include "node/host_results.hh"
#include "node/hosts/host_fleet.hh"
#include "node/sharing/sharer.hh"

namespace pleat {

class HostActions {
  public:
    // All must outlive it. `with_applications` false (`--no-apps`): none is started.
    HostActions(HostFleet& fleet, HostCuts& cuts, HostResults& results, RunProgress& progress,
                Sharer& sharer, bool with_applications);

    // `text`: the event, for the log.
    void carry_out(const HostAction& action, const std::string& text);

    // Its application has ended: one that is to be restarted starts now.
    void exited(HostId host);

  private:
    void start(HostId host);

    HostFleet& fleet_;
    HostCuts& cuts_;
    HostResults& results_;
    RunProgress& progress_;
    Sharer& sharer_;
    bool with_applications_;
    std::set<HostId> restart_when_ended_;
};

}  // namespace pleat
