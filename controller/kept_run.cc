// What is kept of a run.
#include "controller/kept_run.hh"

#include <array>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <utility>

#include "controller/attempted.hh"
#include "wire/codec.hh"

namespace pleat {

namespace {

void throw_failure(const Result<void>& result) {
    if (!result) throw Failure{result.error().message};
}

}  // namespace

void store_end(Store& store, const std::string& run, const RunFinished& finished,
               std::string_view now_utc) {
    const std::string problem = finished.problems.empty() ? "" : finished.problems.front();
    store.end_run(run, end_state(finished), problem, encode(ControlMessage{finished}), now_utc);
}

RunState end_state(const RunFinished& finished) {
    if (finished.interrupted) return RunState::interrupted;
    return finished.failed ? RunState::failed : RunState::done;
}

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

Result<void> KeptRun::add_output(const OutputChunk& chunk) {
    return attempted([&] {
        const std::string directory = plan_.options.run_directory + "/logs";
        std::filesystem::create_directories(directory);
        const std::string path =
            directory + "/" + plan_.scenario.topology.host(chunk.host).name + ".log";
        const auto mode = chunk.offset == 0 ? std::ios::trunc : std::ios::app;
        std::ofstream file{path, std::ios::binary | std::ios::out | mode};
        file.write(chunk.bytes.data(), static_cast<std::streamsize>(chunk.bytes.size()));
        if (!file.flush()) throw Failure{"cannot write " + path};
    });
}

Result<void> KeptRun::finish(const RunFinished& finished) {
    const std::string now = clock_();
    RunFinished known = finished;
    const Result<void> logged = attempted([this, &known, &now] { log_.finish(known, now); });
    if (!logged) {
        known.failed = true;
        known.problems.push_back(logged.error().message);
    }
    const Result<void> stored =
        attempted([this, &known, &now] { store_end(store_, plan_.options.run, known, now); });
    end_stored_ = stored.has_value();
    return logged ? stored : logged;
}

}  // namespace pleat
