// RunHosts: this node's hosts in its run. What they report is recorded, told to the other nodes
// and kept for the results; what events do to them is carried out.
//
// (1) Who starts, and whether the run is over, is decided by model/run_rules.
// (2) A host that ends by itself before it is ready, while the run is PREPARING, fails the run; so
//     does one that is lost, at any time.
// (3) While the run is ENDING, hosts that end were ended by us.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "model/addressing.hh"
#include "model/run_rules.hh"
#include "node/dataplane/data_plane.hh"
#include "node/host_actions.hh"
#include "node/host_cuts.hh"
#include "node/host_results.hh"
#include "node/hosts/host_fleet.hh"
#include "node/log_so_far.hh"
#include "node/run_recorder.hh"
#include "node/run_sharing.hh"
#include "node/run_stage.hh"

namespace pleat {

class RunHosts {
  public:
    struct Surroundings {
        HostFleet& fleet;
        DataPlane& plane;
        RunSharing& sharing;
        RunRecorder& recorder;
        std::function<void()> ready;                      // one more is
        std::function<void(const std::string&)> problem;  // the run goes on
        std::function<void(const std::string&)> fail;     // the run must end
    };

    // All must outlive it. `local`: ascending. `with_applications` false (`--no-apps`): none
    // starts.
    RunHosts(const Scenario& scenario, const AddressPlan& addresses,
             const std::vector<HostId>& local, bool with_applications, Surroundings surroundings);

    bool has(HostId host) const;

    RunProgress& progress() { return progress_; }

    const RunProgress& progress() const { return progress_; }

    // Those whose time has come.
    void start_due(bool after_t0);

    // Of its application; commands beside it are node/host_commands.
    void receive(const HostReport& report, RunStage stage);

    // An event's. Nothing when the host is another node's.
    void carry_out(const HostAction& action, const std::string& text);

    // Cuts all from the network, or connects those that have not crashed.
    void fence(bool closed, Instant now);

    // Of a run that is taken over: what they had done, as far as the log says; what came after it,
    // keepers tell. Returns how many events of the timeline had been carried out.
    std::size_t recall(const LogSoFar& log);

    // In order of ids.
    std::vector<HostResult> results() const { return results_.all(outside_.recorder); }

  private:
    void started(const HostStarted& started);
    void became_ready(const HostReady& ready, RunStage stage);
    void exited(const HostExited& exited, RunStage stage);
    void lost(const HostLost& lost);
    void tell_of(HostId host);

    const std::string& name(HostId host) const { return scenario_.topology.host(host).name; }

    const Scenario& scenario_;
    const std::vector<HostId>& local_;
    Surroundings outside_;
    Sharer& sharer_;
    RunProgress progress_;
    HostCuts cuts_;
    HostResults results_;
    HostActions actions_;  // what events do to them
};

}  // namespace pleat
