// The store.
#include "controller/store.hh"

#include <array>
#include <filesystem>

#include <fmt/format.h>

#include "controller/schema.hh"
#include "controller/sqlite.hh"
#include "wire/codec.hh"

namespace pleat {

namespace {

constexpr std::array<std::string_view, 6> kStates{"submitted", "running",     "done",
                                                  "failed",    "interrupted", "abandoned"};
constexpr std::array<std::string_view, 3> kPhases{"lasting", "begin", "end"};

std::string file_in(const std::string& directory) {
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error) {
        throw Failure{fmt::format("cannot make the directory {}: {}", directory, error.message())};
    }
    return directory + "/pleat.db";
}

std::int64_t bits_of(std::uint64_t number) {
    return static_cast<std::int64_t>(number);
}

std::int64_t flag(bool value) {
    return value ? 1 : 0;
}

}  // namespace

std::string_view name_of(RunState state) {
    return kStates.at(static_cast<std::size_t>(state));
}

class Store::Impl {
  public:
    explicit Impl(const std::string& directory)
        : database_{file_in(directory), store_migrations()} {}

    std::int64_t add_scenario(const RunPlan& plan) {
        const Scenario& scenario = plan.scenario;
        const std::string encoded = encode(scenario);
        SqlValue duration;
        if (scenario.duration) duration = scenario.duration->count();
        database_
            .prepare(
                "INSERT INTO scenario (name, seed, routing, duration_ns, addresses,"
                " source_text, encoded) VALUES (?, ?, ?, ?, ?, ?, ?)")
            .run({scenario.name, bits_of(scenario.seed),
                  scenario.routing == Routing::hops ? "hops" : "latency", duration,
                  scenario.addresses, plan.source_text, Blob{encoded}});
        return database_.last_insert_id();
    }

    void add_topology(std::int64_t id, const Scenario& scenario) {
        const Topology& topology = scenario.topology;
        Statement host = database_.prepare("INSERT INTO host VALUES (?, ?, ?, ?, ?, ?)");
        std::int64_t number = 0;
        for (const Host& each : topology.hosts()) {
            const Application& application =
                scenario.applications.at(static_cast<std::size_t>(number));
            host.run({id, number++, each.name, each.group, std::int64_t{each.replica},
                      flag(application.main)});
        }
        Statement bridge = database_.prepare("INSERT INTO bridge VALUES (?, ?, ?, ?)");
        number = 0;
        for (const Bridge& each : topology.bridges()) {
            bridge.run({id, number++, each.name, flag(each.hidden)});
        }
        Statement link =
            database_.prepare("INSERT INTO link VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
        number = 0;
        for (const Link& each : topology.links()) {
            const LinkProperties& properties = each.properties;
            SqlValue bandwidth;
            if (!properties.bandwidth.is_unlimited()) {
                bandwidth = properties.bandwidth.bits_per_second();
            }
            link.run({id, number++, std::int64_t{each.from.value}, std::int64_t{each.to.value},
                      each.name, flag(each.up), properties.latency.count(),
                      properties.jitter.count(), properties.loss.value(), bandwidth});
        }
    }

    void add_timeline(std::int64_t id, const Scenario& scenario) {
        Statement event = database_.prepare("INSERT INTO event VALUES (?, ?, ?, ?, ?)");
        std::int64_t position = 0;
        for (const TimedEvent& each : scenario.timeline) {
            event.run({id, position++, each.at.time_since_epoch().count(),
                       kPhases.at(static_cast<std::size_t>(each.phase)), each.text});
        }
    }

    void add_epochs(std::int64_t id, const Epochs& epochs) {
        const std::int64_t version{epochs.base.version()};
        const std::string base = encode(epochs.base);
        database_.prepare("INSERT INTO path_table VALUES (?, ?, ?, ?, ?)")
            .run({id, version, std::int64_t{epochs.base.epoch().value},
                  hash_text(epochs.base.hash()), Blob{base}});
        Statement insert = database_.prepare("INSERT INTO epoch VALUES (?, ?, ?, ?, ?, ?)");
        Statement event = database_.prepare("INSERT INTO epoch_event VALUES (?, ?, ?, ?, ?)");
        const std::vector<std::uint64_t> hashes = table_hashes(epochs);
        for (std::size_t i = 0; i < epochs.epochs.size(); ++i) {
            const Epoch& epoch = epochs.epochs[i];
            const auto number = static_cast<std::int64_t>(i);
            const std::string encoded = i == 0 ? std::string{} : encode(epoch.delta);
            const SqlValue delta = i == 0 ? SqlValue{} : SqlValue{Blob{encoded}};
            insert.run({id, version, number, epoch.start.time_since_epoch().count(),
                        hash_text(hashes[i]), delta});
            std::int64_t position = 0;
            for (const std::string& text : epoch.events) {
                event.run({id, version, number, position++, text});
            }
        }
    }

    Result<Epochs> epochs_of(std::int64_t id, const Topology& topology) {
        Statement table = database_.prepare("SELECT encoded FROM path_table WHERE scenario = ?");
        table.query({id});
        if (!table.next()) return fail("a scenario in the store has no path table");
        Result<PathTable> base = decode_table(table.text(0), topology);
        if (!base) return tl::unexpected{base.error()};
        Epochs result{.base = *std::move(base), .epochs = {}};
        Statement epoch = database_.prepare(
            "SELECT start_ns, delta FROM epoch WHERE scenario = ? ORDER BY version, epoch");
        epoch.query({id});
        while (epoch.next()) {
            Epoch added;
            added.start = ExperimentTime{Duration{epoch.number(0)}};
            if (!epoch.is_null(1)) {
                Result<PathTableDelta> delta = decode_delta(epoch.text(1));
                if (!delta) return tl::unexpected{delta.error()};
                added.delta = *std::move(delta);
            }
            result.epochs.push_back(std::move(added));
        }
        Statement event = database_.prepare(
            "SELECT epoch, text FROM epoch_event WHERE scenario = ? ORDER BY epoch, position");
        event.query({id});
        while (event.next()) {
            result.epochs.at(static_cast<std::size_t>(event.number(0)))
                .events.push_back(event.text(1));
        }
        return result;
    }

    Database database_;
};

Store::Store(const std::string& directory) : impl_{std::make_unique<Impl>(directory)} {}

Store::~Store() = default;

void Store::add_run(const RunPlan& plan, std::string_view machine, std::string_view now_utc) {
    Database& database = impl_->database_;
    Transaction change{database};
    const std::int64_t scenario = impl_->add_scenario(plan);
    impl_->add_topology(scenario, plan.scenario);
    impl_->add_timeline(scenario, plan.scenario);
    impl_->add_epochs(scenario, plan.epochs);
    database
        .prepare(
            "INSERT INTO run (run, scenario, directory, submitted_at, state)"
            " VALUES (?, ?, ?, ?, 'submitted')")
        .run({plan.options.run, scenario, plan.options.run_directory, now_utc});
    Statement placement = database.prepare("INSERT INTO placement VALUES (?, ?, ?)");
    const auto hosts = static_cast<std::int64_t>(plan.scenario.topology.hosts().size());
    for (std::int64_t host = 0; host < hosts; ++host) {
        placement.run({plan.options.run, host, machine});
    }
    change.commit();
}

void Store::set_data_plane(const std::string& run, const std::string& data_plane) {
    Transaction change{impl_->database_};
    impl_->database_.prepare("UPDATE run SET data_plane = ? WHERE run = ?").run({data_plane, run});
    change.commit();
}

void Store::set_state(const std::string& run, RunState state) {
    Transaction change{impl_->database_};
    impl_->database_.prepare("UPDATE run SET state = ? WHERE run = ?").run({name_of(state), run});
    change.commit();
}

void Store::end_run(const std::string& run, RunState state, const std::string& problem,
                    std::string_view now_utc) {
    Transaction change{impl_->database_};
    const SqlValue text = problem.empty() ? SqlValue{} : SqlValue{problem};
    impl_->database_.prepare("UPDATE run SET state = ?, problem = ?, ended_at = ? WHERE run = ?")
        .run({name_of(state), text, now_utc, run});
    change.commit();
}

std::size_t Store::abandon_unfinished() {
    Transaction change{impl_->database_};
    Statement update = impl_->database_.prepare(
        "UPDATE run SET state = 'abandoned', problem = 'the controller ended before the run'"
        " WHERE state IN ('submitted', 'running') RETURNING run");
    update.query({});
    std::size_t count = 0;
    while (update.next()) ++count;
    change.commit();
    return count;
}

bool Store::has_run(const std::string& run) {
    Statement query = impl_->database_.prepare("SELECT 1 FROM run WHERE run = ?");
    query.query({run});
    return query.next();
}

std::vector<StoredRun> Store::runs() {
    Statement query = impl_->database_.prepare(
        "SELECT run, name, directory, state, problem FROM run JOIN scenario USING (scenario)"
        " ORDER BY run.rowid");
    query.query({});
    std::vector<StoredRun> result;
    while (query.next()) {
        result.push_back({.run = query.text(0),
                          .name = query.text(1),
                          .directory = query.text(2),
                          .state = query.text(3),
                          .problem = query.text(4)});
    }
    return result;
}

Result<RunPlan> Store::plan_of(const std::string& run) {
    Statement query = impl_->database_.prepare(
        "SELECT scenario, directory, source_text, encoded FROM run JOIN scenario USING (scenario)"
        " WHERE run = ?");
    query.query({run});
    if (!query.next()) return fail(fmt::format("there is no run {}", run));
    Result<Scenario> scenario = decode_scenario(query.text(3));
    if (!scenario) return tl::unexpected{scenario.error()};
    Result<Epochs> epochs = impl_->epochs_of(query.number(0), scenario->topology);
    if (!epochs) return tl::unexpected{epochs.error()};
    RunOptions options;
    options.run = run;
    options.run_directory = query.text(1);
    return RunPlan{.scenario = *std::move(scenario),
                   .source_text = query.text(2),
                   .options = std::move(options),
                   .epochs = *std::move(epochs)};
}

const std::string& Store::path() const {
    return impl_->database_.path();
}

std::string Store::integrity_problem() {
    return impl_->database_.integrity_problem();
}

}  // namespace pleat
