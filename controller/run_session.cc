// The life of a run.
#include "controller/run_session.hh"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/overload.hh"

namespace pleat {

namespace {

// A log is asked for again so often.
constexpr std::uint32_t kCollections = 5;

double milliseconds(Duration duration) {
    return std::chrono::duration<double, std::milli>{duration}.count();
}

// T0 + `after`; far away when no clock goes so far.
Instant later(Instant t0, Duration after) {
    return after < Instant::max() - t0 ? t0 + after : Instant::max();
}

}  // namespace

RunSession::RunSession(const RunPlan& plan, SessionDeadlines deadlines, SessionOutputs outputs,
                       RunArchive& archive, Instant now)
    : plan_{plan},
      deadlines_{deadlines},
      outputs_{std::move(outputs)},
      outcome_{plan.options.run, archive},
      parts_{plan},
      start_{plan_, deadlines_, outputs_, parts_, outcome_},
      changes_{plan, surroundings_of_changes()} {
    wait(State::planned, now + deadlines_.start);
}

// ---- what comes from outside

void RunSession::start(const std::vector<Hello>& present, Instant now) {
    if (state_ != State::planned) return;
    state_ = State::starting;
    for (const Hello& hello : present) {
        if (SessionPart* const part = parts_.find(hello.node)) part->hello = hello;
    }
    start_.begin(now);
}

void RunSession::resume(const RunFinished& so_far, Instant now) {
    outcome_.resume(so_far);
    begun_ = true;
    wait(State::running, Instant::max());
    for (SessionPart& part : parts_) {
        part.has_run = true;
        part.heard = now + deadlines_.resume - deadlines_.silence;
        const auto known =
            std::ranges::find(so_far.machines, part.part.machine, &MachineResult::name);
        if (known == so_far.machines.end()) continue;
        part.ready = HostsReady{.hosts = static_cast<std::uint32_t>(part.part.hosts.size()),
                                .data_plane = known->data_plane};
        part.drift.resume(known->clock_error);
    }
    changes_.resume(so_far.changes);
}

void RunSession::node_arrived(const Hello& hello, Instant now) {
    SessionPart* const part = parts_.find(hello.node);
    if (part == nullptr || finished()) return;
    const bool anew = part->hello && part->hello->incarnation != hello.incarnation;
    part->hello = hello;
    part->heard = now;
    part->connected = true;
    const auto held = std::ranges::find(hello.runs, results().run, &HeldRun::run);
    const bool has_it = held != hello.runs.end();
    const bool must_have_it = begun_ || anew;
    if (part->open() && !has_it && must_have_it) {
        return node_lost(hello.node, "it was started anew", now);
    }
    if (part->open() && begun_) catch_up(*part, *held, now);
    if (state_ == State::starting) start_.node_arrived(now);
}

void RunSession::node_disconnected(const std::string& machine, Instant now) {
    if (SessionPart* const part = parts_.find(machine)) part->connected = false;
    const bool may_come_back = state_ != State::planned && state_ != State::starting;
    if (!may_come_back) node_lost(machine, "its connection is closed", now);
}

void RunSession::node_lost(const std::string& machine, const std::string& why, Instant now) {
    SessionPart* const part = parts_.find(machine);
    if (part == nullptr || finished()) return;
    if (!part->open()) {
        if (!part->has_run) start_.node_lost(*part, now);
        return;
    }
    part->over = true;
    const std::string problem = fmt::format("{} is lost: {}", parts_.who(*part), why);
    outcome_.fail(problem, kExitMachineLost);
    if (!parts_.any_open()) return finish();
    if (state_ == State::running) {
        keep_so_far();
        outputs_.stage("machine", problem + "; the run goes on without it");
        return;
    }
    end(problem, false, now);
    end_if_all_ended(now);
}

void RunSession::receive(const std::string& machine, const ControlMessage& message, Instant now) {
    SessionPart* const part = parts_.find(machine);
    if (part == nullptr || finished()) return;
    const bool opens_ways = state_ == State::starting && start_.opens_ways();
    if (!part->open() && !opens_ways) return;
    part->heard = std::max(part->heard, now);
    part->connected = true;
    end_silence(*part);
    const bool starting = state_ == State::starting;
    std::visit(Overload{
                   [&](const WayOpened& m) {
                       if (starting) start_.receive(*part, m, now);
                   },
                   [&](const HostsReady& m) {
                       if (starting) start_.receive(*part, m, now);
                   },
                   [&](const BeginAccepted& m) { on(*part, m, now); },
                   [&](const Prepared& m) { on(*part, m, now); },
                   [&](const ClockPong& m) { on(*part, m, now); },
                   [&](const BeginRefused& m) { on(*part, m, now); },
                   [&](const Progress& m) { on(*part, m, now); },
                   [&](const RunEnded& m) { on(*part, m, now); },
                   [&](const LogChunk& m) { on(*part, m, now); },
                   [&](const OutputChunk& m) { on(*part, m, now); },
                   [&](const LogEnd& m) { on(*part, m, now); },
                   [&](const NodeFailed& m) { on(*part, m, now); },
                   [&](const ChangeDone& m) { on(*part, m, now); },
                   [&](const ChangeMissed& m) { on(*part, m, now); },
                   [&](const Stage& m) { outputs_.to_cli(m); },
                   // What is not for us is no reason to end a run.
                   [](const auto&) {},
               },
               message);
}

void RunSession::stop(const std::string& reason, Instant now) {
    end(reason, true, now);
}

void RunSession::tick(Instant now) {
    if (finished()) return;
    if (state_ == State::running) look_for_silence(now);
    if (state_ == State::running) changes_.tick(experiment_time(now));
    if (now < deadline_of_state()) return;
    const std::string problem = "waited in vain for " + waited_for();
    const bool last_wait = state_ == State::ending || state_ == State::collecting;
    if (!last_wait) return fail(problem, now);
    outcome_.fail(problem, kExitMachineLost);
    finish();
}

std::optional<Instant> RunSession::deadline() const {
    if (finished()) return {};
    Instant result = deadline_of_state();
    if (state_ == State::running) {
        result = std::min(result, parts_.next_silence(deadlines_.silence).value_or(result));
        if (const auto change = changes_.deadline()) {
            result = std::min(result, t0_ + change->time_since_epoch());
        }
    }
    return result;
}

// ---- T0

void RunSession::on(SessionPart& part, const BeginAccepted& accepted, Instant now) {
    if (state_ != State::starting) return;
    start_.receive(part, accepted);
    if (start_.agreed()) begin(now);
}

void RunSession::begin(Instant now) {
    begun_ = true;
    t0_ = start_.t0();
    wait(State::running, Instant::max());
    set_end();
    const Duration bound = start_.confirm(now);
    keep_so_far();
    outputs_.stage(
        "begin",
        fmt::format("T0 in {} ms (clock{} known to {} us)",
                    std::chrono::duration_cast<std::chrono::milliseconds>(t0_ - now).count(),
                    parts_.one() ? "" : "s",
                    std::chrono::duration_cast<std::chrono::microseconds>(bound).count()));
}

void RunSession::on(SessionPart& part, const BeginRefused& refused, Instant now) {
    if (state_ == State::starting) return or_fail(start_.receive(part, refused, now), now);
    if (state_ != State::running || refused.t0 != part.t0) return;
    fail(fmt::format("{} missed T0: {}", parts_.who(part), refused.reason), now);
}

// ---- machines while the run is under way

void RunSession::on(SessionPart& part, const Progress& progress, Instant now) {
    if (state_ == State::running) outputs_.to_node(part.part.machine, part.clock.ping(now));
    // When one that has reported reports again, those that have not are late.
    if (part.progress) show_progress();
    part.progress = progress;
    const bool all = parts_.all([](const SessionPart& each) {
        return each.progress || each.silent || each.ended || each.over;
    });
    if (all) show_progress();
}

void RunSession::show_progress() {
    if (const auto progress = parts_.take_progress()) outputs_.to_cli(*progress);
}

void RunSession::on(SessionPart& part, const ClockPong& pong, Instant now) {
    if (state_ == State::starting) return start_.receive(part, pong, now);
    if (state_ != State::running || !part.clock.pong(pong, now) || now < t0_) return;
    if (const auto& step = part.clock.step()) {
        outputs_.stage("machine",
                       fmt::format("the clock of {} jumped by {:.1f} ms or more: its events are "
                                   "off by as much",
                                   parts_.who(part), milliseconds(step->size)));
    }
    const auto apart =
        part.drift.look(now - t0_, part.clock.there_at(now), part.clock.error_bound(now));
    if (!apart) return;
    outputs_.stage("machine", fmt::format("the clock of {} has gone {:.1f} ms from ours since T0",
                                          parts_.who(part), milliseconds(*apart)));
}

void RunSession::look_for_silence(Instant now) {
    const SessionParts::Silence silence = parts_.look_for_silence(now, deadlines_.silence);
    const std::string span = in_seconds(deadlines_.silence);
    if (silence.of_all) {
        return fail(fmt::format("waited in vain for a sign of life of {} for {}",
                                parts_.who([](const SessionPart& p) { return p.open(); }), span),
                    now);
    }
    for (const SessionPart* part : silence.fresh) {
        outputs_.stage("machine",
                       fmt::format("{} gives no sign of life since {}", parts_.who(*part), span));
    }
}

void RunSession::end_silence(SessionPart& part) {
    if (!std::exchange(part.silent, false)) return;
    outputs_.stage("machine", parts_.who(part) + " is back");
}

// The node has the run; what it told while nobody heard it is not told again by itself.
void RunSession::catch_up(SessionPart& part, const HeldRun& held, Instant now) {
    end_silence(part);
    switch (held.stage) {
        case HeldRun::Stage::before_t0:
            if (now < t0_) return;  // its confirmation is under way
            return fail(
                fmt::format("{} was not told T0 before the controller ended", parts_.who(part)),
                now);
        case HeldRun::Stage::under_way:
            if (t0_ == Instant{}) {
                t0_ = now - held.at.time_since_epoch();
                if (state_ == State::running) set_end();
            }
            if (state_ == State::running) changes_.machine_back(part.part.machine, held.changes);
            if (state_ == State::ending) {
                outputs_.to_node(part.part.machine, EndRun{.reason = "the run has ended",
                                                           .interrupted = results().interrupted});
            }
            return;
        case HeldRun::Stage::ended:
            outputs_.to_node(part.part.machine, Collect{part.log.size()});
            return;
    }
}

// ---- changes by hand

void RunSession::change(HandChanges::Asker asker, const std::vector<std::string>& lines,
                        Instant now) {
    if (state_ == State::running && t0_ != Instant{} && now >= t0_) {
        return changes_.ask(asker, lines, experiment_time(now));
    }
    std::string why = "has not begun yet: it can be changed from its start on";
    if (begun_) why = "is ending";
    if (state_ == State::running && t0_ == Instant{}) why = "waits for its machines";
    outputs_.to_asker(asker, Refused{fmt::format("run {} {}", results().run, why)});
}

HandChanges::Surroundings RunSession::surroundings_of_changes() {
    return {.to_node = outputs_.to_node,
            .answer = outputs_.to_asker,
            .reachable =
                [this](const std::string& machine) {
                    const SessionPart* const part = parts_.find(machine);
                    return part != nullptr && part->open() && part->connected && !part->silent &&
                           !part->ended;
                },
            .worst_round_trip = [this] { return parts_.worst_round_trip(); },
            .warn = [this](const std::string& text) { outputs_.stage("machine", text); },
            .keep =
                [this] {
                    outcome_.changed(changes_.results());
                    keep_so_far();
                }};
}

void RunSession::on(SessionPart& part, const Prepared& prepared, Instant now) {
    if (state_ == State::starting) return or_fail(start_.receive(part, prepared, now), now);
    if (state_ != State::running || prepared.version == plan_.epochs.base.version()) return;
    or_fail(changes_.receive(part.part.machine, prepared, experiment_time(now)), now);
}

void RunSession::on(SessionPart& part, const ChangeDone& done, Instant now) {
    changes_.receive(part.part.machine, done, experiment_time(now));
}

void RunSession::on(SessionPart& part, const ChangeMissed& missed, Instant /*now*/) {
    if (state_ == State::running) changes_.receive(part.part.machine, missed);
}

// ---- the way to the end

void RunSession::end(const std::string& reason, bool interrupted, Instant now) {
    if (state_ == State::finished || state_ == State::collecting) return;
    if (interrupted) outcome_.interrupt();
    if (state_ == State::ending) return;
    const EndRun end{.reason = reason, .interrupted = interrupted};
    if (!parts_.any_open()) {
        start_.close_ways(end);
        return finish();
    }
    wait(State::ending, now + deadlines_.ending);
    for (const SessionPart& part : parts_) {
        if (part.open() && !part.ended) outputs_.to_node(part.part.machine, end);
    }
}

void RunSession::end_if_all_ended(Instant now) {
    if (state_ != State::ending && state_ != State::collecting) return;
    if (!parts_.any_open()) {
        if (begun_) outputs_.stage("collect", outcome_.collected());
        return finish();
    }
    const bool all = parts_.all([](const SessionPart& part) { return !part.open() || part.ended; });
    if (all && state_ == State::ending) wait(State::collecting, now + deadlines_.log);
}

void RunSession::fail(const std::string& problem, Instant now) {
    outcome_.fail(problem);
    end(problem, false, now);
}

void RunSession::or_fail(const Result<void>& step, Instant now) {
    if (!step) fail(step.error().message, now);
}

void RunSession::on(SessionPart& part, const NodeFailed& failed, Instant now) {
    outputs_.to_cli(failed);
    const std::string problem = parts_.said_by(part, failed.message);
    outcome_.fail(problem, failed.exit_code);
    // A node that has not prepared the first table has no run to end.
    if (!part.tables.any()) part.over = true;
    end(problem, false, now);
    end_if_all_ended(now);
}

void RunSession::on(SessionPart& part, const RunEnded& ended, Instant now) {
    if (std::exchange(part.ended, true)) return;
    part.control = ended.control;
    for (const std::string& problem : ended.problems) {
        outcome_.note(parts_.said_by(part, problem));
    }
    outcome_.add(ended);
    if (!begun_ && !results().failed && !results().interrupted) {
        outcome_.fail("the run ended before T0: " + ended.reason);
    }
    end(ended.reason, ended.interrupted, now);
    end_if_all_ended(now);
}

void RunSession::on(SessionPart& part, const LogChunk& chunk, Instant now) {
    if (!part.ended) return;
    if (state_ == State::collecting) deadline_ = now + deadlines_.log;
    const Result<void> taken = part.log.add(
        chunk, [this, &part](const LogRecord& record) { outcome_.add(part.part.machine, record); });
    if (taken) return;
    outcome_.fail(fmt::format("{}'s log is damaged: {}", parts_.who(part), taken.error().message));
}

void RunSession::on(SessionPart& part, const OutputChunk& chunk, Instant now) {
    if (!part.ended) return;
    if (state_ == State::collecting) deadline_ = now + deadlines_.log;
    const bool its = std::ranges::binary_search(part.part.hosts, chunk.host);
    if (its) outcome_.add_output(chunk);
}

void RunSession::on(SessionPart& part, const LogEnd& end, Instant now) {
    if (!part.ended) return;
    if (part.log.lacks(end) && part.asked_again++ < kCollections) {
        outputs_.to_node(part.part.machine, Collect{part.log.size()});
        return;
    }
    const Result<void> whole = part.log.end(end);
    if (!whole) {
        outcome_.fail(
            fmt::format("{}'s log is not complete: {}", parts_.who(part), whole.error().message));
    }
    part.over = true;
    end_if_all_ended(now);
}

void RunSession::finish() {
    if (state_ == State::finished) return;
    state_ = State::finished;
    changes_.end();
    outcome_.changed(changes_.results());
    outcome_.finish(plan_, parts_.results());
    outputs_.to_cli(results());
    for (const SessionPart& part : parts_) {
        if (part.has_run) outputs_.to_node(part.part.machine, Forget{});
    }
}

// ---- helpers

std::string RunSession::waited_for() const {
    switch (state_) {
        case State::planned:
            return fmt::format("the run to be started within {}", in_seconds(deadlines_.start));
        case State::starting:
            return start_.waited_for();
        case State::running:
            return fmt::format("the run to end within {} of its start",
                               in_seconds(plan_.scenario.duration.value_or(Duration::zero()) +
                                          deadlines_.end_margin));
        case State::ending:
            return fmt::format("{} to end the run within {}", parts_.who([](const SessionPart& p) {
                return p.open() && !p.ended;
            }),
                               in_seconds(deadlines_.ending));
        case State::collecting:
            return fmt::format("{}'s log within {}",
                               parts_.who([](const SessionPart& p) { return p.open(); }),
                               in_seconds(deadlines_.log));
        case State::finished:
            break;
    }
    return {};
}

Instant RunSession::deadline_of_state() const {
    return state_ == State::starting ? start_.deadline() : deadline_;
}

void RunSession::set_end() {
    if (!plan_.scenario.duration) return;
    deadline_ = later(t0_, *plan_.scenario.duration + deadlines_.end_margin);
}

void RunSession::keep_so_far() {
    outcome_.under_way(parts_.results());
}

void RunSession::wait(State state, Instant until) {
    state_ = state;
    deadline_ = until;
}

}  // namespace pleat
