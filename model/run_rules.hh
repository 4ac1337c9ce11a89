// When hosts start and when a run ends: the decisions, without clocks or processes.
//
// (1) Hosts with `ready:` start before T0, unless they are `start: manual` or wait (by
//     `after:`) for one that does not; the ready barrier waits for these.
// (2) All others that are not manual start at T0, or as soon as the hosts of their
//     `after:` are ready.
// (3) The run ends when all main hosts have ended, and no event will start one again; at
//     `duration` at the latest. With neither: when nothing runs and no event is left.
// (4) The run fails only if a main host ended non-zero, or could not start, by itself.
// (5) Hosts of other machines are known from what these tell, each status with the events
//     that its machine had seen by then. Those of a machine that was given up
//     (missed_machines.hh) have ended for good.
#pragma once

#include <optional>
#include <vector>

#include "model/host_status.hh"
#include "model/scenario.hh"

namespace pleat {

// Hosts of rule (1), ascending. `with_applications` false (`--no-apps`): none.
std::vector<HostId> hosts_before_t0(const Scenario& scenario, bool with_applications);

// Follows what hosts do and answers who starts next and whether the run is over.
class RunProgress {
  public:
    // `local`: the hosts of this machine, ascending.
    RunProgress(const Scenario& scenario, bool with_applications, const std::vector<HostId>& local);

    // Hosts of this machine that should be started now, each told once. Before T0 only those
    // of rule (1).
    std::vector<HostId> due(bool after_t0);

    void started(HostId host);
    void ready(HostId host);

    // `exit_code`: nothing when the application could not be started. `by_us`: ended by
    // an event or by the end of the run.
    void ended(HostId host, std::optional<int> exit_code, bool by_us);

    // An event (start, restart) starts this host.
    void started_by_event(HostId host);

    // What another machine tells of its host.
    void remote(HostId host, const HostStatus& status);

    // Its machine was given up.
    void lost(HostId host);

    // What the other machines should know of ours.
    HostStatus status(HostId host) const;

    // The events up to and with this place of the timeline have happened.
    void events_done(std::size_t count);

    bool barrier_reached() const;
    // Those that the barrier still waits for, ascending.
    std::vector<HostId> waited_for() const;

    // Rule (3), without `duration`, which is a matter of time.
    bool over() const;

    // Rule (4).
    bool failed() const { return failed_; }

    // Of this machine's hosts.
    std::size_t ready_count() const;
    std::size_t running_count() const;

  private:
    enum class State : std::uint8_t { idle, told, running, ended };

    struct HostProgress {
        State state = State::idle;
        bool ready = false;
        bool before_t0 = false;
        bool local = false;
        bool lost = false;
        std::size_t events_done = 0;  // of a host of another machine: as that has told
    };

    bool dependencies_ready(HostId host) const;
    bool will_start_again(HostId host) const;

    const Scenario* scenario_;
    bool with_applications_;
    std::vector<HostProgress> hosts_;
    std::vector<std::size_t> last_start_event_;  // place in the timeline + 1; 0: none
    std::size_t events_done_ = 0;
    bool failed_ = false;
};

}  // namespace pleat
