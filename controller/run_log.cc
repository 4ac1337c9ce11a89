// run.db.
#include "controller/run_log.hh"

#include <filesystem>
#include <limits>
#include <optional>

#include <fmt/format.h>

#include "base/joined.hh"
#include "base/overload.hh"
#include "controller/schema.hh"
#include "controller/sqlite.hh"

namespace pleat {

namespace {

constexpr std::uint64_t kUnlimitedBps = std::numeric_limits<std::uint64_t>::max();

std::string file_of(const RunPlan& plan) {
    return plan.options.run_directory + "/run.db";
}

std::string new_file_of(const RunPlan& plan) {
    const std::string& directory = plan.options.run_directory;
    const std::string path = file_of(plan);
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error) {
        throw Failure{fmt::format("cannot make the directory {}: {}", directory, error.message())};
    }
    if (std::filesystem::exists(path, error)) {
        throw Failure{fmt::format("{} is there already: a run keeps its results once", path)};
    }
    return path;
}

std::int64_t number(ExperimentTime at) {
    return at.time_since_epoch().count();
}

SqlValue rate(std::uint64_t bits_per_second) {
    constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
    if (bits_per_second == kUnlimitedBps) return {};
    return static_cast<std::int64_t>(std::min(bits_per_second, kMost));
}

std::int64_t counter(std::uint64_t value) {
    constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
    return static_cast<std::int64_t>(std::min(value, kMost));
}

std::int64_t flag(bool value) {
    return value ? 1 : 0;
}

SqlValue text_or_null(const std::string& text) {
    if (text.empty()) return {};
    return std::string_view{text};
}

}  // namespace

class RunLog::Impl {
  public:
    Impl(const RunPlan& plan, std::string_view now_utc)
        : database_{new_file_of(plan), run_migrations()} {
        // Results are in one file, without a companion.
        database_.execute("PRAGMA journal_mode = DELETE");
        Transaction change{database_};
        database_.prepare("INSERT INTO run (run, name, seed, started_at) VALUES (?, ?, ?, ?)")
            .run({plan.options.run, plan.scenario.name,
                  static_cast<std::int64_t>(plan.scenario.seed), now_utc});
        Statement host = database_.prepare("INSERT INTO host (host, name) VALUES (?, ?)");
        std::int64_t id = 0;
        for (const Host& each : plan.scenario.topology.hosts()) host.run({id++, each.name});
        Statement machine = database_.prepare("INSERT INTO machine (machine) VALUES (?)");
        Statement place = database_.prepare("UPDATE host SET machine = ? WHERE host = ?");
        for (const MachinePart& part : plan.parts) {
            machine.run({part.machine});
            for (const HostId each : part.hosts) {
                place.run({part.machine, std::int64_t{each.value}});
            }
        }
        Statement epoch =
            database_.prepare("INSERT INTO epoch (epoch, planned_ns, hash) VALUES (?, ?, ?)");
        const std::vector<std::uint64_t> hashes = table_hashes(plan.epochs);
        for (std::size_t i = 0; i < hashes.size(); ++i) {
            epoch.run({static_cast<std::int64_t>(i), number(plan.epochs.epochs[i].start),
                       hash_text(hashes[i])});
        }
        change.commit();
    }

    explicit Impl(const RunPlan& plan) : database_{file_of(plan), run_migrations()} {
        database_.execute("PRAGMA journal_mode = DELETE");
        Transaction change{database_};
        for (const char* const table : {"problem", "event", "demand", "share", "sample",
                                        "host_event", "total", "machine_total", "lateness"}) {
            database_.execute(fmt::format("DELETE FROM {}", table));
        }
        database_.execute("UPDATE epoch SET late_ns = NULL");
        change.commit();
    }

    void add(std::string_view machine, const LogRecord& record) {
        if (!open_) open_.emplace(database_);
        machine_ = machine;
        std::visit([this](const auto& each) { insert(each); }, record);
    }

    void insert(const EventRecord& event) {
        SqlValue epoch;
        if (event.epoch) epoch = std::int64_t{event.epoch->value};
        SqlValue change;
        if (event.change) change = std::int64_t{*event.change};
        event_.run(
            {number(event.planned), number(event.actual), epoch, event.text, machine_, change});
        if (!event.epoch) return;
        const std::int64_t late = (event.actual - event.planned).count();
        epoch_.run({late, late, std::int64_t{event.epoch->value}});
    }

    void insert(const DemandRecord& demand) {
        SqlValue rate;
        if (!demand.state.is_greedy()) rate = demand.state.rate();
        demand_.run({number(demand.at), std::int64_t{demand.flow.source.value},
                     std::int64_t{demand.flow.destination.value}, std::int64_t{demand.state.code()},
                     rate});
    }

    void insert(const ShareRecord& share) {
        share_.run({number(share.at), std::int64_t{share.flow.source.value},
                    std::int64_t{share.flow.destination.value}, rate(share.share_bps)});
    }

    void insert(const SampleRecord& sample) {
        sample_.run({std::int64_t{sample.flow.source.value},
                     std::int64_t{sample.flow.destination.value}, number(sample.at),
                     rate(sample.allowed_bps), counter(sample.measured_bps),
                     counter(sample.bytes)});
    }

    void insert(const HostRecord& host) {
        host_event_.run({number(host.at), std::int64_t{host.host.value}, host.what});
    }

    void insert(const LatenessRecord& lateness) {
        lateness_.run(
            {machine_, number(lateness.at), lateness.worst.count(), lateness.owed.count()});
    }

    void insert(const TotalsRecord& totals) {
        machine_total_.run({machine_, totals.counter, totals.value});
        Statement& merge = totals.counter.ends_with("_ns") ? largest_ : sum_;
        merge.run({totals.counter, totals.value});
    }

    void finish(const RunFinished& finished, std::string_view now_utc) {
        if (!open_) open_.emplace(database_);
        database_
            .prepare(
                "UPDATE run SET ended_at = ?, data_plane = ?, failed = ?, interrupted = ?,"
                " messages_sent = ?, bytes_sent = ?")
            .run({now_utc, text_or_null(finished.data_plane), flag(finished.failed),
                  flag(finished.interrupted), counter(finished.control.messages_sent),
                  counter(finished.control.bytes_sent)});
        Statement problem = database_.prepare("INSERT INTO problem (text) VALUES (?)");
        for (const std::string& each : finished.problems) problem.run({each});
        Statement host = database_.prepare(
            "UPDATE host SET address = ?, started_ns = ?, exit_code = ?, ended_by_us = ?,"
            " log = ?, problem = ? WHERE host = ?");
        for (const HostResult& each : finished.hosts) {
            SqlValue started;
            SqlValue exit_code;
            if (each.started) started = number(each.started_at);
            if (each.exit_code) exit_code = std::int64_t{*each.exit_code};
            host.run({each.address, started, exit_code, flag(each.ended_by_us), each.log,
                      text_or_null(each.problem), std::int64_t{each.host.value}});
        }
        Statement machine = database_.prepare(
            "UPDATE machine SET data_plane = ?, messages_sent = ?, bytes_sent = ?,"
            " clock_error_ns = ? WHERE machine = ?");
        for (const MachineResult& each : finished.machines) {
            machine.run({text_or_null(each.data_plane), counter(each.control.messages_sent),
                         counter(each.control.bytes_sent), each.clock_error.count(), each.name});
        }
        keep(finished.changes);
        open_->commit();
        open_.reset();
    }

    void keep(const std::vector<ChangeResult>& changes) {
        Statement change = database_.prepare("INSERT INTO change VALUES (?, ?, ?, ?, ?, ?)");
        Statement line = database_.prepare("INSERT INTO change_line VALUES (?, ?, ?)");
        for (const ChangeResult& each : changes) {
            SqlValue version;
            if (each.version) version = std::int64_t{*each.version};
            const std::string missing = joined(each.missing, ", ");
            change.run({std::int64_t{each.number}, version, std::int64_t{each.epoch.value},
                        number(each.at), each.late.count(), text_or_null(missing)});
            std::int64_t position = 0;
            for (const std::string& text : each.lines) {
                line.run({std::int64_t{each.number}, position++, text});
            }
        }
    }

  private:
    Database database_;
    std::optional<Transaction> open_;  // from the first record to the end
    std::string machine_;              // whose record is being added
    Statement event_ = database_.prepare(
        "INSERT INTO event (planned_ns, actual_ns, epoch, text, machine, change)"
        " VALUES (?, ?, ?, ?, ?, ?)");
    // The machine that was latest counts.
    Statement epoch_ = database_.prepare(
        "UPDATE epoch SET late_ns = max(coalesce(late_ns, ?), ?) WHERE epoch = ?");
    Statement demand_ = database_.prepare(
        "INSERT INTO demand (at_ns, source, destination, state_code, demand_bps)"
        " VALUES (?, ?, ?, ?, ?)");
    Statement share_ = database_.prepare(
        "INSERT INTO share (at_ns, source, destination, share_bps) VALUES (?, ?, ?, ?)");
    Statement sample_ =
        database_.prepare("INSERT OR REPLACE INTO sample VALUES (?, ?, ?, ?, ?, ?)");
    Statement host_event_ =
        database_.prepare("INSERT INTO host_event (at_ns, host, what) VALUES (?, ?, ?)");
    Statement lateness_ = database_.prepare("INSERT OR REPLACE INTO lateness VALUES (?, ?, ?, ?)");
    Statement machine_total_ =
        database_.prepare("INSERT OR REPLACE INTO machine_total VALUES (?, ?, ?)");
    Statement sum_ = database_.prepare(
        "INSERT INTO total VALUES (?, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value");
    Statement largest_ = database_.prepare(
        "INSERT INTO total VALUES (?, ?)"
        " ON CONFLICT DO UPDATE SET value = max(value, excluded.value)");
};

RunLog::RunLog(const RunPlan& plan, std::string_view now_utc)
    : impl_{std::make_unique<Impl>(plan, now_utc)} {}

RunLog::RunLog(const RunPlan& plan) : impl_{std::make_unique<Impl>(plan)} {}

RunLog::~RunLog() = default;

void RunLog::add(std::string_view machine, const LogRecord& record) {
    impl_->add(machine, record);
}

void RunLog::finish(const RunFinished& finished, std::string_view now_utc) {
    impl_->finish(finished, now_utc);
}

}  // namespace pleat
