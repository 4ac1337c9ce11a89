// The life of a run.
#include "controller/run_session.hh"

#include <utility>

#include <fmt/format.h>

#include "base/overload.hh"

namespace pleat {

namespace {

constexpr std::uint32_t kAnnouncements = 5;

std::string seconds_text(Duration duration) {
    return fmt::format("{:g} s", std::chrono::duration<double>{duration}.count());
}

}  // namespace

RunSession::RunSession(const RunPlan& plan, SessionDeadlines deadlines, SessionOutputs outputs,
                       RunArchive& archive, Instant now)
    : plan_{plan},
      deadlines_{deadlines},
      outputs_{std::move(outputs)},
      archive_{archive},
      hashes_{table_hashes(plan.epochs)},
      acknowledged_(hashes_.size(), false),
      left_to_acknowledge_{hashes_.size()} {
    results_.run = plan.options.run;
    wait(State::planned, now + deadlines_.start,
         fmt::format("the run to be started within {}", seconds_text(deadlines_.start)));
}

// ---- what comes from outside

void RunSession::start(bool node, Instant now) {
    if (state_ != State::planned) return;
    if (node) return prepare(now);
    wait(State::awaiting_node, now + deadlines_.node,
         fmt::format("a node to say hello within {}", seconds_text(deadlines_.node)));
}

void RunSession::node_arrived(Instant now) {
    if (state_ == State::awaiting_node) prepare(now);
}

void RunSession::node_lost(const std::string& why, Instant) {
    if (!node_has_run()) return;
    results_.failed = true;
    results_.problems.push_back("the node is lost: " + why);
    finish();
}

void RunSession::receive(const ControlMessage& message, Instant now) {
    if (!node_has_run()) return;
    std::visit(Overload{
                   [this, now](const Prepared& m) { on(m, now); },
                   [this, now](const HostsReady& m) { on(m, now); },
                   [this, now](const ClockPong& m) { on(m, now); },
                   [this, now](const BeginAccepted& m) { on(m, now); },
                   [this, now](const BeginRefused& m) { on(m, now); },
                   [this, now](const Progress& m) { on(m, now); },
                   [this, now](const RunEnded& m) { on(m, now); },
                   [this, now](const LogChunk& m) { on(m, now); },
                   [this, now](const LogEnd& m) { on(m, now); },
                   [this, now](const NodeFailed& m) { on(m, now); },
                   [this](const Stage& m) { outputs_.to_cli(m); },
                   // What is not for us is no reason to end a run.
                   [](const auto&) {},
               },
               message);
}

void RunSession::stop(const std::string& reason, Instant now) {
    end(reason, true, now);
}

void RunSession::tick(Instant now) {
    if (finished() || now < deadline_) return;
    const std::string problem = "waited in vain for " + waited_for_;
    const bool last_wait = state_ == State::ending || state_ == State::collecting;
    if (!last_wait) return fail(problem, now);
    results_.failed = true;
    results_.problems.push_back(problem);
    finish();
}

std::optional<Instant> RunSession::deadline() const {
    if (finished()) return {};
    return deadline_;
}

// ---- the way to T0

void RunSession::prepare(Instant now) {
    wait(State::preparing, now + deadlines_.prepared,
         fmt::format("the node to prepare path tables within {}",
                     seconds_text(deadlines_.prepared)));
    outputs_.to_node(first_push(plan_));
    for (std::size_t i = 1; i < plan_.epochs.epochs.size(); ++i) {
        if (finished()) return;  // the node was lost meanwhile
        outputs_.to_node(PrepareEpoch{plan_.epochs.epochs[i].delta});
    }
}

void RunSession::on(const Prepared& prepared, Instant now) {
    if (state_ != State::preparing) return;
    const std::size_t epoch = prepared.epoch.value;
    if (epoch >= hashes_.size() || prepared.version != plan_.epochs.base.version()) {
        return fail(fmt::format("the node prepared path table {}.{}, which there is not",
                                prepared.version, epoch),
                    now);
    }
    if (prepared.hash != hashes_[epoch]) {
        return fail(fmt::format("the node's path table of epoch {} has the hash {}, not {}", epoch,
                                hash_text(prepared.hash), hash_text(hashes_[epoch])),
                    now);
    }
    if (!acknowledged_[epoch]) {
        acknowledged_[epoch] = true;
        --left_to_acknowledge_;
    }
    if (left_to_acknowledge_ > 0) {
        deadline_ = now + deadlines_.prepared;
        return;
    }
    const Duration patience = plan_.options.ready_deadline + deadlines_.ready_margin;
    wait(State::preparing, now + patience,
         fmt::format("all hosts to be ready within {}", seconds_text(patience)));
    measure_if_ready(now);
}

void RunSession::on(const HostsReady& ready, Instant now) {
    if (state_ != State::preparing || ready_) return;
    ready_ = ready;
    results_.data_plane = ready.data_plane;
    keep(archive_.prepared(ready.data_plane));
    stage("hosts", fmt::format("{}/{} ready (data plane: {})", ready.hosts,
                               plan_.scenario.topology.hosts().size(), ready.data_plane));
    measure_if_ready(now);
}

void RunSession::measure_if_ready(Instant now) {
    if (!ready_ || left_to_acknowledge_ > 0) return;
    wait(State::measuring_clock, now + deadlines_.clock,
         fmt::format("the node to tell its clock within {}", seconds_text(deadlines_.clock)));
    outputs_.to_node(clock_.ping(now));
}

void RunSession::on(const ClockPong& pong, Instant now) {
    if (state_ != State::measuring_clock || !clock_.pong(pong, now)) return;
    if (!clock_.complete()) {
        outputs_.to_node(clock_.ping(now));
        return;
    }
    announce(now);
}

void RunSession::announce(Instant now) {
    t0_ = now + announcement_lead(clock_.worst_rtt(), attempts_++);
    wait(State::beginning, t0_ + deadlines_.begin, "the node to accept T0");
    outputs_.to_node(Begin{t0_ + clock_.offset()});
}

void RunSession::on(const BeginRefused& refused, Instant now) {
    if (state_ != State::beginning) return;
    if (attempts_ < kAnnouncements) return announce(now);
    fail(fmt::format("the node refused T0 {} times: {}", attempts_, refused.reason), now);
}

void RunSession::on(const BeginAccepted& accepted, Instant now) {
    // An answer to an earlier announcement is none to this one.
    if (state_ != State::beginning || accepted.t0 != t0_ + clock_.offset()) return;
    begun_ = true;
    keep(archive_.began());
    wait(State::running, std::max(now, t0_) + deadlines_.silence,
         fmt::format("a sign of life of the node for {}", seconds_text(deadlines_.silence)));
    stage("begin",
          fmt::format(
              "T0 in {} ms (clock known to {} us)",
              std::chrono::duration_cast<std::chrono::milliseconds>(t0_ - now).count(),
              std::chrono::duration_cast<std::chrono::microseconds>(clock_.error_bound()).count()));
}

// ---- the run itself

void RunSession::on(const Progress& progress, Instant now) {
    outputs_.to_cli(progress);
    if (state_ != State::running) return;
    Instant until = now + deadlines_.silence;
    std::string what =
        fmt::format("a sign of life of the node for {}", seconds_text(deadlines_.silence));
    if (plan_.scenario.duration) {
        const Duration longest = *plan_.scenario.duration + deadlines_.end_margin;
        // Beyond any clock: no limit.
        if (longest < until - t0_) {
            until = t0_ + longest;
            what = fmt::format("the run to end within {} of its start", seconds_text(longest));
        }
    }
    wait(State::running, until, std::move(what));
}

// ---- the way to the end

void RunSession::end(const std::string& reason, bool interrupted, Instant now) {
    if (state_ == State::finished || state_ == State::collecting) return;
    results_.interrupted = results_.interrupted || interrupted;
    if (state_ == State::ending) return;
    if (!node_has_run()) return finish();
    wait(State::ending, now + deadlines_.ending,
         fmt::format("the node to end the run within {}", seconds_text(deadlines_.ending)));
    outputs_.to_node(EndRun{.reason = reason, .interrupted = interrupted});
}

void RunSession::fail(const std::string& problem, Instant now) {
    results_.failed = true;
    results_.problems.push_back(problem);
    end(problem, false, now);
}

void RunSession::on(const NodeFailed& failed, Instant now) {
    outputs_.to_cli(failed);
    results_.failed = true;
    results_.problems.push_back(failed.message);
    results_.exit_code = failed.exit_code;
    // A node that has not prepared the first table has no run to end.
    if (state_ == State::preparing && !acknowledged_[0]) return finish();
    end(failed.message, false, now);
}

void RunSession::on(const RunEnded& ended, Instant now) {
    if (state_ == State::collecting) return;
    results_.failed = results_.failed || ended.failed;
    results_.interrupted = results_.interrupted || ended.interrupted;
    results_.problems.insert(results_.problems.end(), ended.problems.begin(), ended.problems.end());
    results_.hosts = ended.hosts;
    results_.control = ended.control;
    if (!begun_ && !results_.failed && !results_.interrupted) {
        results_.failed = true;
        results_.problems.push_back("the run ended before T0: " + ended.reason);
    }
    wait(State::collecting, now + deadlines_.log,
         fmt::format("the node's log within {}", seconds_text(deadlines_.log)));
}

void RunSession::on(const LogChunk& chunk, Instant now) {
    if (state_ != State::collecting) return;
    deadline_ = now + deadlines_.log;
    Result<void> taken;
    if (chunk.offset != log_bytes_) {
        taken = pleat::fail(
            fmt::format("a piece at {} where {} was expected", chunk.offset, log_bytes_));
    }
    log_bytes_ += chunk.bytes.size();
    if (log_broken_) return;
    if (taken) {
        taken = decoder_.feed(chunk.bytes, [this](const LogRecord& record) {
            collector_.add(record);
            if (!archive_broken_) keep(archive_.add(record));
        });
    }
    if (taken) return;
    log_broken_ = true;
    results_.failed = true;
    results_.problems.push_back("the node's log is damaged: " + taken.error().message);
}

void RunSession::on(const LogEnd& end, Instant) {
    if (state_ != State::collecting) return;
    if (!log_broken_ && (end.size != log_bytes_ || decoder_.incomplete() > 0)) {
        results_.failed = true;
        results_.problems.push_back(
            fmt::format("the node's log is not complete: {} of {} bytes", log_bytes_, end.size));
    }
    if (begun_) {
        stage("collect", fmt::format("{} logs, {} samples/flow", results_.hosts.size(),
                                     collector_.most_samples_of_a_flow()));
    }
    finish();
}

void RunSession::finish() {
    if (state_ == State::finished) return;
    state_ = State::finished;
    std::vector<std::vector<std::string>> events;
    events.reserve(plan_.epochs.epochs.size());
    for (const Epoch& epoch : plan_.epochs.epochs) events.push_back(epoch.events);
    collector_.give(results_, events);
    keep(archive_.finish(results_));
    outputs_.to_cli(results_);
}

// ---- helpers

void RunSession::wait(State state, Instant until, std::string what) {
    state_ = state;
    deadline_ = until;
    waited_for_ = std::move(what);
}

void RunSession::keep(const Result<void>& outcome) {
    if (outcome || archive_broken_) return;
    archive_broken_ = true;
    results_.failed = true;
    results_.problems.push_back(outcome.error().message);
}

void RunSession::stage(std::string name, std::string text) const {
    outputs_.to_cli(Stage{.name = std::move(name), .text = std::move(text)});
}

bool RunSession::node_has_run() const {
    return state_ != State::planned && state_ != State::awaiting_node && state_ != State::finished;
}

}  // namespace pleat
