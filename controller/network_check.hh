// Whether the real network between machines can carry a placement, in words for an operator.
// The rule is in docs/design/placement.md.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/epochs.hh"
#include "model/underlay.hh"
#include "wire/messages.hh"

namespace pleat {

// The lower name first.
using WaysByMachines = std::map<std::pair<std::string, std::string>, WayInfo>;

// What the hosts of one machine can send at once to those of another, of one run: its least cut
// there, in the epoch in which that is most. Computed when it is asked for, and once.
class RunRates {
  public:
    // `scenario` and `epochs` must outlive it.
    RunRates(std::string run, const Scenario& scenario, const Epochs& epochs,
             const std::vector<std::string>& machine_of_host);

    const std::string& run() const { return run_; }

    // Nothing: they send nothing there, or no link says how much.
    std::optional<Bandwidth> between(const std::string& from, const std::string& to);

  private:
    std::string run_;
    const Scenario& scenario_;
    const Epochs& epochs_;
    std::map<std::string, std::vector<HostId>> hosts_of_;
    std::map<std::pair<std::string, std::string>, std::optional<Bandwidth>> known_;
};

struct NetworkJudgement {
    std::vector<std::string>
        problems;                    // a line each, with the numbers; the last says how many more
    std::vector<std::string> notes;  // what could not be checked, and why
};

// What a submission is refused with.
std::string refusal_text(const NetworkJudgement& judgement);

// As check_underlay() takes it: machines by their place in `names`, which is in order. What may
// be measured wrong, and what any plane adds, is given to the placement.
std::vector<UnderlayLink> underlay_of(const WaysByMachines& ways,
                                      const std::vector<std::string>& names);

// Looks at every epoch, unless that would take too long. `others`: the runs that are there; what
// they can send between two machines at once is not there for this one.
NetworkJudgement judge_network(const Scenario& scenario, const Epochs& epochs,
                               const std::vector<std::string>& machine_of_host,
                               const WaysByMachines& ways,
                               const std::vector<RunRates*>& others = {});

}  // namespace pleat
