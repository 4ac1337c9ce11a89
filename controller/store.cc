// The store.
#include "controller/store.hh"

#include <array>
#include <filesystem>

#include <fmt/format.h>

#include "controller/schema.hh"
#include "controller/sqlite.hh"
#include "wire/codec.hh"
#include "wire/keys.hh"

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

std::string key_of(const std::string& text) {
    const Result<std::string> key = parse_key(text);
    if (!key) throw Failure{"a key in the store is damaged: " + key.error().message};
    return *key;
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

    // Each token once.
    void use_token(const std::string& token) {
        Statement removal = database_.prepare("DELETE FROM token WHERE key = ? RETURNING key");
        const std::string text = key_text(token);
        removal.query({text});
        if (!removal.next()) throw Failure{"this token was used already"};
        while (removal.next()) {
        }
    }

    Database database_;
};

Store::Store(const std::string& directory) : impl_{std::make_unique<Impl>(directory)} {}

Store::~Store() = default;

void Store::add_run(const RunPlan& plan, std::string_view now_utc) {
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
    for (const MachinePart& part : plan.parts) {
        for (const HostId host : part.hosts) {
            placement.run({plan.options.run, std::int64_t{host.value}, part.machine});
        }
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
                    std::string_view results, std::string_view now_utc) {
    Transaction change{impl_->database_};
    const SqlValue text = problem.empty() ? SqlValue{} : SqlValue{problem};
    impl_->database_
        .prepare("UPDATE run SET state = ?, problem = ?, ended_at = ?, results = ? WHERE run = ?")
        .run({name_of(state), text, now_utc, Blob{results}, run});
    change.commit();
}

void Store::set_under_way(const std::string& run, std::string_view so_far) {
    Transaction change{impl_->database_};
    impl_->database_.prepare("UPDATE run SET state = 'running', results = ? WHERE run = ?")
        .run({Blob{so_far}, run});
    change.commit();
}

void Store::abandon(const std::string& run, const std::string& problem) {
    Transaction change{impl_->database_};
    impl_->database_
        .prepare("UPDATE run SET state = 'abandoned', problem = ?, results = NULL WHERE run = ?")
        .run({problem, run});
    change.commit();
}

std::size_t Store::abandon_unstarted() {
    Transaction change{impl_->database_};
    Statement update = impl_->database_.prepare(
        "UPDATE run SET state = 'abandoned', problem = 'the controller ended before T0'"
        " WHERE state = 'submitted' RETURNING run");
    update.query({});
    std::size_t count = 0;
    while (update.next()) ++count;
    change.commit();
    return count;
}

std::string Store::results_of(const std::string& run) {
    Statement query = impl_->database_.prepare("SELECT results FROM run WHERE run = ?");
    query.query({run});
    if (!query.next() || query.is_null(0)) return {};
    return query.text(0);
}

std::vector<StoredMachine> Store::machines() {
    std::vector<StoredMachine> result;
    Statement query = impl_->database_.prepare("SELECT machine, key FROM machine ORDER BY machine");
    query.query({});
    while (query.next()) {
        result.push_back({.name = query.text(0), .key = key_of(query.text(1)), .labels = {}});
    }
    Statement label = impl_->database_.prepare(
        "SELECT label FROM machine_label WHERE machine = ? ORDER BY label");
    for (StoredMachine& machine : result) {
        label.query({machine.name});
        while (label.next()) machine.labels.push_back(label.text(0));
    }
    return result;
}

std::vector<std::string> Store::operators() {
    std::vector<std::string> result;
    Statement query = impl_->database_.prepare("SELECT key FROM operator");
    query.query({});
    while (query.next()) result.push_back(key_of(query.text(0)));
    return result;
}

std::vector<std::pair<std::string, bool>> Store::tokens() {
    std::vector<std::pair<std::string, bool>> result;
    Statement query = impl_->database_.prepare("SELECT key, for_operator FROM token");
    query.query({});
    while (query.next()) result.emplace_back(key_of(query.text(0)), query.number(1) != 0);
    return result;
}

void Store::add_token(const std::string& key, bool for_operator, std::string_view now_utc) {
    Transaction change{impl_->database_};
    impl_->database_.prepare("INSERT INTO token VALUES (?, ?, ?)")
        .run({key_text(key), flag(for_operator), now_utc});
    change.commit();
}

void Store::add_machine(const std::string& token, const std::string& name, const std::string& key,
                        std::string_view now_utc) {
    Transaction change{impl_->database_};
    impl_->use_token(token);
    impl_->database_.prepare("INSERT INTO machine VALUES (?, ?, ?)")
        .run({name, key_text(key), now_utc});
    change.commit();
}

void Store::add_operator(const std::string& token, const std::string& key,
                         std::string_view now_utc) {
    Transaction change{impl_->database_};
    impl_->use_token(token);
    impl_->database_.prepare("INSERT INTO operator VALUES (?, ?)").run({key_text(key), now_utc});
    change.commit();
}

bool Store::remove_machine(const std::string& name) {
    Transaction change{impl_->database_};
    Statement removal =
        impl_->database_.prepare("DELETE FROM machine WHERE machine = ? RETURNING machine");
    removal.query({name});
    bool removed = false;
    while (removal.next()) removed = true;
    // One of that name that comes later may be elsewhere.
    impl_->database_.prepare("DELETE FROM way WHERE from_machine = ? OR to_machine = ?")
        .run({name, name});
    change.commit();
    return removed;
}

void Store::set_labels(const std::string& name, const std::vector<std::string>& labels) {
    Transaction change{impl_->database_};
    impl_->database_.prepare("DELETE FROM machine_label WHERE machine = ?").run({name});
    Statement label = impl_->database_.prepare("INSERT OR IGNORE INTO machine_label VALUES (?, ?)");
    for (const std::string& each : labels) label.run({name, each});
    change.commit();
}

void Store::set_way(const WayInfo& way) {
    PLEAT_ASSERT(way.quality && way.from < way.to);
    const WayQuality& quality = *way.quality;
    const auto rate = [](const std::optional<MeasuredRate>& measured) -> SqlValue {
        if (!measured) return std::monostate{};
        return measured->rate.bits_per_second();
    };
    const auto error = [](const std::optional<MeasuredRate>& measured) -> SqlValue {
        if (!measured) return std::monostate{};
        return measured->error_bps;
    };
    Transaction change{impl_->database_};
    impl_->database_.prepare("INSERT OR REPLACE INTO way VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .run({way.from, way.to, way.measured_at, std::int64_t{quality.round_trips.least.count()},
              std::int64_t{quality.round_trips.median.count()}, quality.mtu.bytes(),
              way.rates_measured_at, rate(quality.there), error(quality.there), rate(quality.back),
              error(quality.back)});
    change.commit();
}

std::vector<WayInfo> Store::ways() {
    Statement query = impl_->database_.prepare(
        "SELECT from_machine, to_machine, measured_at, least_round_trip_ns, median_round_trip_ns,"
        " mtu_bytes, rates_measured_at, there_bps, there_error_bps, back_bps, back_error_bps"
        " FROM way ORDER BY from_machine, to_machine");
    query.query({});
    const auto rate = [&query](int column) -> std::optional<MeasuredRate> {
        if (query.is_null(column)) return {};
        return MeasuredRate{.rate = Bandwidth::bits_per_second(query.number(column)),
                            .error_bps = query.number(column + 1)};
    };
    std::vector<WayInfo> result;
    while (query.next()) {
        result.push_back(
            {.from = query.text(0),
             .to = query.text(1),
             .quality = WayQuality{.round_trips = {.least = Duration{query.number(3)},
                                                   .median = Duration{query.number(4)}},
                                   .mtu = DataSize::bytes(query.number(5)),
                                   .there = rate(7),
                                   .back = rate(9)},
             .measured_at = query.text(2),
             .rates_measured_at = query.text(6)});
    }
    return result;
}

bool Store::has_run(const std::string& run) {
    Statement query = impl_->database_.prepare("SELECT 1 FROM run WHERE run = ?");
    query.query({run});
    return query.next();
}

std::vector<StoredRun> Store::runs() {
    Statement query = impl_->database_.prepare(
        "SELECT run, name, directory, state, problem, submitted_at FROM run JOIN scenario USING "
        "(scenario)"
        " ORDER BY run.rowid");
    query.query({});
    std::vector<StoredRun> result;
    while (query.next()) {
        result.push_back({.run = query.text(0),
                          .name = query.text(1),
                          .directory = query.text(2),
                          .state = query.text(3),
                          .problem = query.text(4),
                          .submitted_at = query.text(5)});
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
    std::vector<std::string> machines;
    Statement placement =
        impl_->database_.prepare("SELECT machine FROM placement WHERE run = ? ORDER BY host");
    placement.query({run});
    while (placement.next()) machines.push_back(placement.text(0));
    return RunPlan{.scenario = *std::move(scenario),
                   .source_text = query.text(2),
                   .options = std::move(options),
                   .epochs = *std::move(epochs),
                   .parts = parts_of(machines)};
}

const std::string& Store::path() const {
    return impl_->database_.path();
}

std::string Store::integrity_problem() {
    return impl_->database_.integrity_problem();
}

}  // namespace pleat
