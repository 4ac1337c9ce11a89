// What is kept of a run.
#include "controller/kept_run.hh"

#include <array>
#include <ctime>
#include <utility>

#include "wire/codec.hh"

namespace pleat {

namespace {

// The edge between code that throws and a session that must go on.
template <typename Action>
Result<void> attempted(const Action& action) {
    try {
        action();
        return {};
    } catch (const std::exception& problem) {
        return fail(problem.what());
    }
}

RunState end_state(const RunFinished& finished) {
    if (finished.interrupted) return RunState::interrupted;
    return finished.failed ? RunState::failed : RunState::done;
}

void throw_failure(const Result<void>& result) {
    if (!result) throw Failure{result.error().message};
}

}  // namespace

std::string utc_now() {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    std::array<char, 32> text{};
    const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
    return {text.data(), size};
}

KeptRun::KeptRun(Store& store, const RunPlan& plan, UtcClock clock)
    : store_{store},
      plan_{plan},
      clock_{std::move(clock)},
      submitted_at_{clock_()},
      machine_{machine_facts()},
      log_{plan, submitted_at_} {
    throw_failure(write_manifest(plan.options.run_directory,
                                 manifest_text(plan, machine_, "", submitted_at_)));
    store_.add_run(plan, submitted_at_);
}

KeptRun::KeptRun(Store& store, const RunPlan& plan, UtcClock clock, std::string submitted_at)
    : store_{store},
      plan_{plan},
      clock_{std::move(clock)},
      submitted_at_{std::move(submitted_at)},
      machine_{machine_facts()},
      log_{plan} {}

Result<void> KeptRun::prepared(const std::string& data_plane) {
    return attempted([this, &data_plane] {
        store_.set_data_plane(plan_.options.run, data_plane);
        throw_failure(write_manifest(plan_.options.run_directory,
                                     manifest_text(plan_, machine_, data_plane, submitted_at_)));
    });
}

Result<void> KeptRun::under_way(const RunFinished& so_far) {
    return attempted(
        [&] { store_.set_under_way(plan_.options.run, encode(ControlMessage{so_far})); });
}

Result<void> KeptRun::add(const std::string& machine, const LogRecord& record) {
    return attempted([&] { log_.add(machine, record); });
}

Result<void> KeptRun::finish(const RunFinished& finished) {
    const std::string now = clock_();
    const Result<void> logged = attempted([this, &finished, &now] { log_.finish(finished, now); });
    const Result<void> stored = attempted([this, &finished, &now] {
        const std::string problem = finished.problems.empty() ? "" : finished.problems.front();
        store_.end_run(plan_.options.run, end_state(finished), problem,
                       encode(ControlMessage{finished}), now);
    });
    return logged ? stored : logged;
}

}  // namespace pleat
