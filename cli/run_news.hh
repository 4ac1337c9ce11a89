// RunNews: what a controller tells of a run, as every verb shows it: stages, warnings, and on a
// terminal one line that says how far the run is.
#pragma once

#include <string>

#include "cli/output.hh"
#include "model/scenario.hh"
#include "wire/messages.hh"

namespace pleat {

class RunNews {
  public:
    // `scenario` may be nullptr, when it is not known; both must outlive this.
    RunNews(Output& output, const Scenario* scenario, Instant now)
        : output_{output}, scenario_{scenario}, stage_began_{now} {}

    // A stage takes from here on.
    void step(Instant now) { stage_began_ = now; }

    // What follows is the end of the run.
    void stopping() { stopping_ = true; }

    void show(const Stage& stage, Instant now);
    void show(const Progress& progress, Instant now);

    // One of these two, or something that is shown otherwise.
    void show(const ControlMessage& message, Instant now);

    // What is waited for, in place of progress that has not come yet.
    void wait_for(const std::string& step, const std::string& what);

  private:
    std::string next_event(ExperimentTime at) const;

    Output& output_;
    const Scenario* scenario_;
    Instant stage_began_;
    bool stopping_ = false;
};

// "1 host", "3 hosts".
std::string counted(std::uint64_t n, std::string_view one);

}  // namespace pleat
