// Store: the controller's memory: scenarios, their epochs, runs. Every change is one
// transaction, so that it can be killed at any moment and opens again without loss.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hh"
#include "controller/planner.hh"

namespace pleat {

enum class RunState : std::uint8_t { submitted, running, done, failed, interrupted, abandoned };

std::string_view name_of(RunState state);

struct StoredRun {
    std::string run;
    std::string name;
    std::string directory;
    std::string state;
    std::string problem;
    std::string submitted_at;
};

struct StoredMachine {
    std::string name;
    std::string key;
    std::vector<std::string> labels;  // sorted
};

class Store {
  public:
    // Opens DIRECTORY/pleat.db, or makes it. Throws Failure.
    explicit Store(const std::string& directory);
    ~Store();
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;

    // Keeps a planned run.
    void add_run(const RunPlan& plan, std::string_view now_utc);

    void set_data_plane(const std::string& run, const std::string& data_plane);
    void set_state(const std::string& run, RunState state);
    // `results`: encoded, as results_of() gives them back.
    void end_run(const std::string& run, RunState state, const std::string& problem,
                 std::string_view results, std::string_view now_utc);

    // T0 is settled. `so_far`: encoded, as results_of() gives it back until the run's end.
    void set_under_way(const std::string& run, std::string_view so_far);

    // Runs that an earlier controller left before T0; returns how many.
    std::size_t abandon_unstarted();
    void abandon(const std::string& run, const std::string& problem);

    // What came of it, or of one under way what was known; empty when there is nothing.
    std::string results_of(const std::string& run);

    // Those that are known, and whoever may become one. Keys are public, 32 bytes.
    std::vector<StoredMachine> machines();
    std::vector<std::string> operators();
    std::vector<std::pair<std::string, bool>> tokens();  // key, for an operator

    void add_token(const std::string& key, bool for_operator, std::string_view now_utc);
    // Both use the token up.
    void add_machine(const std::string& token, const std::string& name, const std::string& key,
                     std::string_view now_utc);
    void add_operator(const std::string& token, const std::string& key, std::string_view now_utc);
    bool remove_machine(const std::string& name);  // false: there was none
    void set_labels(const std::string& name, const std::vector<std::string>& labels);

    // The network between machines; in place of what was known of these two.
    void set_way(const WayInfo& way);
    std::vector<WayInfo> ways();  // by names

    bool has_run(const std::string& run);
    std::vector<StoredRun> runs();  // oldest first

    // What add_run() kept, with all epochs.
    Result<RunPlan> plan_of(const std::string& run);

    const std::string& path() const;
    std::string integrity_problem();  // mostly empty

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace pleat
