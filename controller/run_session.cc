// The life of a run.
#include "controller/run_session.hh"

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/joined.hh"
#include "base/overload.hh"

namespace pleat {

namespace {

constexpr std::uint32_t kAnnouncements = 5;
// A log is asked for again so often.
constexpr std::uint32_t kCollections = 5;
// Clocks that went apart by more than this during a run are worth a warning.
constexpr Duration kClocksApart = std::chrono::milliseconds{2};

std::string seconds_text(Duration duration) {
    return fmt::format("{:g} s", std::chrono::duration<double>{duration}.count());
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
      archive_{archive},
      changes_{plan, surroundings_of_changes()} {
    PLEAT_ASSERT(!plan.parts.empty());
    for (const MachinePart& part : plan.parts) parts_.emplace_back(part, plan);
    results_.run = plan.options.run;
    wait(State::planned, now + deadlines_.start);
}

// ---- what comes from outside

void RunSession::start(const std::vector<Hello>& present, Instant now) {
    if (state_ != State::planned) return;
    wait(State::awaiting_nodes, now + deadlines_.node);
    for (const Hello& hello : present) {
        if (SessionPart* const part = find(hello.node)) part->hello = hello;
    }
    prepare_if_all_here(now);
}

void RunSession::resume(const RunFinished& so_far, Instant now) {
    results_ = so_far;
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
        part.clock_error = known->clock_error;
    }
    results_.machines.clear();
    changes_.resume(so_far.changes);
}

void RunSession::node_arrived(const Hello& hello, Instant now) {
    SessionPart* const part = find(hello.node);
    if (part == nullptr || finished()) return;
    const bool anew = part->hello && part->hello->incarnation != hello.incarnation;
    part->hello = hello;
    part->heard = now;
    part->connected = true;
    const auto held = std::ranges::find(hello.runs, results_.run, &HeldRun::run);
    const bool has_it = held != hello.runs.end();
    const bool must_have_it = begun_ || anew;
    if (part->open() && !has_it && must_have_it) {
        return node_lost(hello.node, "it was started anew", now);
    }
    if (part->open() && begun_) catch_up(*part, &*held, now);
    prepare_if_all_here(now);
}

// The node has the run; what it told while nobody heard it is not told again by itself.
void RunSession::catch_up(SessionPart& part, const HeldRun* held, Instant now) {
    if (part.silent) {
        part.silent = false;
        stage("machine", who(part) + " is back");
    }
    switch (held->stage) {
        case HeldRun::Stage::before_t0:
            if (now < t0_) return;  // its confirmation is under way
            return fail(fmt::format("{} was not told T0 before the controller ended", who(part)),
                        now);
        case HeldRun::Stage::under_way:
            if (t0_ == Instant{}) {
                t0_ = now - held->at.time_since_epoch();
                if (state_ == State::running) set_end(t0_);
            }
            if (state_ == State::running) {
                changes_.machine_back(part.part.machine, held->changes);
            }
            if (state_ == State::ending) {
                outputs_.to_node(part.part.machine, EndRun{.reason = "the run has ended",
                                                           .interrupted = results_.interrupted});
            }
            return;
        case HeldRun::Stage::ended:
            outputs_.to_node(part.part.machine, Collect{part.log.size()});
            return;
    }
}

void RunSession::node_disconnected(const std::string& machine, Instant now) {
    if (SessionPart* const part = find(machine)) part->connected = false;
    const bool may_come_back = state_ == State::running || state_ == State::ending ||
                               state_ == State::collecting || state_ == State::finished;
    if (!may_come_back) node_lost(machine, "its connection is closed", now);
}

void RunSession::node_lost(const std::string& machine, const std::string& why, Instant now) {
    SessionPart* const part = find(machine);
    if (part == nullptr || finished()) return;
    if (!part->open()) {
        if (part->has_run) return;
        part->hello.reset();
        part->way.clear();
        if (state_ == State::opening_ways) wait(State::awaiting_nodes, now + deadlines_.node);
        return;
    }
    part->over = true;
    results_.failed = true;
    results_.exit_code = kExitMachineLost;
    const std::string problem = fmt::format("{} is lost: {}", who(*part), why);
    results_.problems.push_back(problem);
    if (!any_open()) return finish();
    if (state_ == State::running) {
        keep_so_far();
        stage("machine", problem + "; the run goes on without it");
        return;
    }
    end(problem, false, now);
    end_if_all_ended(now);
}

void RunSession::receive(const std::string& machine, const ControlMessage& message, Instant now) {
    SessionPart* const part = find(machine);
    if (part == nullptr || finished()) return;
    if (!part->open() && state_ != State::opening_ways) return;
    part->heard = std::max(part->heard, now);
    part->connected = true;
    if (part->silent) {
        part->silent = false;
        stage("machine", who(*part) + " is back");
    }
    std::visit(Overload{
                   [&](const WayOpened& m) { on(*part, m, now); },
                   [&](const Prepared& m) { on(*part, m, now); },
                   [&](const HostsReady& m) { on(*part, m, now); },
                   [&](const ClockPong& m) { on(*part, m, now); },
                   [&](const BeginAccepted& m) { on(*part, m, now); },
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
    if (now < deadline_) return;
    const std::string problem = "waited in vain for " + waited_for();
    const bool last_wait = state_ == State::ending || state_ == State::collecting;
    if (last_wait) return give_up_on_the_rest(problem);
    fail(problem, now);
}

std::optional<Instant> RunSession::deadline() const {
    if (finished()) return {};
    Instant result = deadline_;
    if (state_ == State::running) {
        for (const SessionPart& part : parts_) {
            if (part.open() && !part.silent) {
                result = std::min(result, part.heard + deadlines_.silence);
            }
        }
        if (const auto change = changes_.deadline()) {
            result = std::min(result, t0_ + change->time_since_epoch());
        }
    }
    return result;
}

// ---- the way to T0

void RunSession::prepare_if_all_here(Instant now) {
    const bool all =
        std::ranges::all_of(parts_, [](const SessionPart& part) { return part.hello.has_value(); });
    if (state_ != State::awaiting_nodes || !all) return;
    if (parts_.size() == 1) return prepare(now);
    wait(State::opening_ways, now + deadlines_.node);
    for (SessionPart& part : parts_) {
        part.way.clear();
        outputs_.to_node(part.part.machine, OpenWay{});
    }
}

void RunSession::on(SessionPart& part, const WayOpened& opened, Instant now) {
    if (state_ != State::opening_ways) return;
    part.way = opened.endpoint;
    part.vxlan = opened.vxlan;
    const bool all =
        std::ranges::none_of(parts_, [](const SessionPart& p) { return p.way.empty(); });
    if (all) prepare(now);
}

void RunSession::prepare(Instant now) {
    wait(State::preparing, now + deadlines_.prepared);
    // All of them have the run now: whoever is lost meanwhile is one that had it.
    for (SessionPart& part : parts_) {
        part.has_run = true;
        part.heard = now;
    }
    std::map<std::pair<std::size_t, std::size_t>, std::string> keys;  // by pair, the lower first
    for (std::size_t i = 0; i < parts_.size(); ++i) {
        for (std::size_t j = i + 1; j < parts_.size(); ++j) keys[{i, j}] = outputs_.fresh_key();
    }
    for (std::size_t i = 0; i < parts_.size(); ++i) {
        const SessionPart& part = parts_[i];
        std::vector<Peer> peers;
        for (std::size_t j = 0; j < parts_.size(); ++j) {
            if (i == j) continue;
            const SessionPart& other = parts_[j];
            peers.push_back({.name = other.part.machine,
                             .address = other.hello->address,
                             .hosts = other.part.hosts,
                             .way = other.way,
                             .way_key = keys.at({std::min(i, j), std::max(i, j)}),
                             .vxlan = other.vxlan});
        }
        outputs_.to_node(part.part.machine, first_push(plan_, part.part, std::move(peers)));
    }
    for (std::size_t i = 1; i < plan_.epochs.epochs.size(); ++i) {
        for (const SessionPart& part : parts_) {
            outputs_.to_node(part.part.machine, PrepareEpoch{plan_.epochs.epochs[i].delta});
        }
    }
}

void RunSession::on(SessionPart& part, const Prepared& prepared, Instant now) {
    if (state_ == State::running && prepared.version != plan_.epochs.base.version()) {
        const Result<void> right =
            changes_.receive(part.part.machine, prepared, experiment_time(now));
        if (!right) fail(right.error().message, now);
        return;
    }
    if (state_ != State::preparing) return;
    const Result<void> right = part.tables.add(prepared, who(part));
    if (!right) return fail(right.error().message, now);
    const bool all =
        std::ranges::all_of(parts_, [](const SessionPart& each) { return each.tables.complete(); });
    if (!all) {
        deadline_ = now + deadlines_.prepared;
        return;
    }
    awaits_hosts_ = true;
    deadline_ = now + plan_.options.ready_deadline + deadlines_.ready_margin;
    measure_if_ready(now);
}

void RunSession::on(SessionPart& part, const HostsReady& ready, Instant now) {
    if (state_ != State::preparing || part.ready) return;
    part.ready = ready;
    if (!std::ranges::all_of(parts_, [](const SessionPart& p) { return p.ready.has_value(); })) {
        return;
    }
    std::uint32_t hosts = 0;
    std::set<std::string> planes;
    for (const SessionPart& each : parts_) {
        hosts += each.ready->hosts;
        planes.insert(each.ready->data_plane);
    }
    results_.data_plane = joined(planes, ", ");
    keep(archive_.prepared(results_.data_plane));
    const std::string machines =
        parts_.size() > 1 ? fmt::format(" on {} machines", parts_.size()) : std::string{};
    stage("hosts",
          fmt::format("{}/{} ready{} (data plane: {})", hosts,
                      plan_.scenario.topology.hosts().size(), machines, results_.data_plane));
    measure_if_ready(now);
}

void RunSession::measure_if_ready(Instant now) {
    const bool ready = std::ranges::all_of(
        parts_, [](const SessionPart& part) { return part.ready && part.tables.complete(); });
    if (!ready) return;
    wait(State::measuring_clocks, now + deadlines_.clock);
    for (SessionPart& part : parts_) outputs_.to_node(part.part.machine, part.clock.ping(now));
}

void RunSession::on(SessionPart& part, const ClockPong& pong, Instant now) {
    if (state_ == State::running) return follow_clock(part, pong, now);
    if (state_ != State::measuring_clocks || !part.clock.pong(pong, now)) return;
    if (!part.clock.complete()) {
        outputs_.to_node(part.part.machine, part.clock.ping(now));
        return;
    }
    if (std::ranges::all_of(parts_, [](const SessionPart& p) { return p.clock.complete(); })) {
        announce(now);
    }
}

void RunSession::announce(Instant now) {
    Duration worst{};
    for (const SessionPart& part : parts_) worst = std::max(worst, part.clock.worst_rtt());
    t0_ = now + announcement_lead(worst, attempts_++);
    wait(State::beginning, t0_ + deadlines_.begin);
    for (SessionPart& part : parts_) {
        part.accepted = false;
        part.t0 = part.clock.there_at(t0_);
        outputs_.to_node(part.part.machine, Begin{part.t0});
    }
}

void RunSession::on(SessionPart& part, const BeginRefused& refused, Instant now) {
    // An answer to an earlier announcement is none to this one.
    if (refused.t0 != part.t0) return;
    if (state_ == State::running) {
        return fail(fmt::format("{} missed T0: {}", who(part), refused.reason), now);
    }
    if (state_ != State::beginning) return;
    if (attempts_ < kAnnouncements) return announce(now);
    fail(fmt::format("{} refused T0 {} times: {}", who(part), attempts_, refused.reason), now);
}

void RunSession::on(SessionPart& part, const BeginAccepted& accepted, Instant now) {
    if (state_ != State::beginning || accepted.t0 != part.t0) return;
    part.accepted = true;
    if (std::ranges::all_of(parts_, [](const SessionPart& p) { return p.accepted; })) confirm(now);
}

void RunSession::confirm(Instant now) {
    begun_ = true;
    wait(State::running, Instant::max());
    set_end(t0_);
    Duration bound{};
    for (SessionPart& part : parts_) {
        part.heard = std::max(now, t0_);
        part.clock_error = part.clock.error_bound(t0_);
        bound = std::max(bound, part.clock_error);
    }
    for (const SessionPart& part : parts_) {
        outputs_.to_node(part.part.machine, ConfirmBegin{part.t0});
    }
    keep_so_far();
    stage("begin",
          fmt::format("T0 in {} ms (clock{} known to {} us)",
                      std::chrono::duration_cast<std::chrono::milliseconds>(t0_ - now).count(),
                      parts_.size() > 1 ? "s" : "",
                      std::chrono::duration_cast<std::chrono::microseconds>(bound).count()));
}

// ---- the run itself

// Its epochs are T0 and so much more by its own clock: what the two clocks have gone apart since,
// and what is not known of that, is by how much it may be early or late.
void RunSession::follow_clock(SessionPart& part, const ClockPong& pong, Instant now) {
    if (!part.clock.pong(pong, now) || now < t0_) return;
    if (part.t0 == Instant{}) {
        // Told by an earlier controller: it is followed from here on, beside what was known then.
        part.t0 = part.clock.there_at(now) - (now - t0_);
        part.clock_error_before = part.clock_error + part.clock.error_bound(now);
    }
    const auto milliseconds = [](Duration d) {
        return std::chrono::duration<double, std::milli>{d}.count();
    };
    if (const auto& step = part.clock.step()) {
        stage("machine", fmt::format("the clock of {} jumped by {:.1f} ms or more: its events are "
                                     "off by as much",
                                     who(part), milliseconds(step->size)));
    }
    const Duration apart = std::chrono::abs((part.clock.there_at(now) - part.t0) - (now - t0_)) +
                           part.clock.error_bound(now);
    part.clock_error = std::max(part.clock_error, part.clock_error_before + apart);
    if (part.clock_warned || apart < kClocksApart + 2 * part.clock.error_bound(now)) return;
    part.clock_warned = true;
    stage("machine", fmt::format("the clock of {} has gone {:.1f} ms from ours since T0", who(part),
                                 milliseconds(apart)));
}

void RunSession::on(SessionPart& part, const Progress& progress, Instant now) {
    if (state_ == State::running) outputs_.to_node(part.part.machine, part.clock.ping(now));
    // When one that has reported reports again, those that have not are late.
    if (part.progress) show_progress();
    part.progress = progress;
    const bool all = std::ranges::all_of(parts_, [](const SessionPart& each) {
        return each.progress || each.silent || each.ended || each.over;
    });
    if (all) show_progress();
}

void RunSession::show_progress() {
    std::optional<Progress> sum;
    for (SessionPart& part : parts_) {
        if (!part.progress) continue;
        const Progress each = *std::exchange(part.progress, std::nullopt);
        if (!sum) {
            sum = each;
            continue;
        }
        sum->at = std::max(sum->at, each.at);
        sum->epoch = std::min(sum->epoch, each.epoch);  // in force everywhere
        sum->throughput_bps += each.throughput_bps;
        sum->hosts_ready += each.hosts_ready;
        sum->hosts_running += each.hosts_running;
    }
    if (sum) outputs_.to_cli(*sum);
}

void RunSession::look_for_silence(Instant now) {
    bool others_speak = false;
    std::vector<SessionPart*> silent;
    for (SessionPart& part : parts_) {
        if (!part.open() || part.silent) continue;
        if (now < part.heard + deadlines_.silence) {
            others_speak = true;
        } else {
            silent.push_back(&part);
        }
    }
    for (SessionPart* part : silent) part->silent = true;
    const std::string span = seconds_text(deadlines_.silence);
    if (!others_speak && any_open()) {
        return fail(fmt::format("waited in vain for a sign of life of {} for {}",
                                who([](const SessionPart& p) { return p.open(); }), span),
                    now);
    }
    for (const SessionPart* part : silent) {
        stage("machine", fmt::format("{} gives no sign of life since {}", who(*part), span));
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
    outputs_.to_asker(asker, Refused{fmt::format("run {} {}", results_.run, why)});
}

HandChanges::Surroundings RunSession::surroundings_of_changes() {
    return {.to_node = outputs_.to_node,
            .answer = outputs_.to_asker,
            .reachable =
                [this](const std::string& machine) {
                    const SessionPart* const part = find(machine);
                    return part != nullptr && part->open() && part->connected && !part->silent &&
                           !part->ended;
                },
            .worst_round_trip =
                [this] {
                    Duration worst{};
                    for (const SessionPart& part : parts_) {
                        worst = std::max(worst, part.clock.worst_rtt());
                    }
                    return worst;
                },
            .warn = [this](const std::string& text) { stage("machine", text); },
            .keep =
                [this] {
                    results_.changes = changes_.results();
                    keep_so_far();
                }};
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
    results_.interrupted = results_.interrupted || interrupted;
    if (state_ == State::ending) return;
    if (!any_open()) {
        // Ways that are open are for nothing.
        for (const SessionPart& part : parts_) {
            if (part.has_run || part.way.empty()) continue;
            outputs_.to_node(part.part.machine,
                             EndRun{.reason = reason, .interrupted = interrupted});
        }
        return finish();
    }
    wait(State::ending, now + deadlines_.ending);
    for (const SessionPart& part : parts_) {
        if (!part.open() || part.ended) continue;
        outputs_.to_node(part.part.machine, EndRun{.reason = reason, .interrupted = interrupted});
    }
}

void RunSession::end_if_all_ended(Instant now) {
    if (state_ != State::ending && state_ != State::collecting) return;
    if (!any_open()) {
        if (begun_) {
            stage("collect", fmt::format("{} logs, {} samples/flow", results_.hosts.size(),
                                         collector_.most_samples_of_a_flow()));
        }
        return finish();
    }
    const bool all = std::ranges::all_of(
        parts_, [](const SessionPart& part) { return !part.open() || part.ended; });
    if (all && state_ == State::ending) wait(State::collecting, now + deadlines_.log);
}

void RunSession::fail(const std::string& problem, Instant now) {
    results_.failed = true;
    results_.problems.push_back(problem);
    end(problem, false, now);
}

void RunSession::on(SessionPart& part, const NodeFailed& failed, Instant now) {
    outputs_.to_cli(failed);
    results_.failed = true;
    const std::string problem = said_by(part, failed.message);
    results_.problems.push_back(problem);
    results_.exit_code = failed.exit_code;
    // A node that has not prepared the first table has no run to end.
    if (!part.tables.any()) part.over = true;
    end(problem, false, now);
    end_if_all_ended(now);
}

void RunSession::on(SessionPart& part, const RunEnded& ended, Instant now) {
    if (std::exchange(part.ended, true)) return;
    results_.failed = results_.failed || ended.failed;
    results_.interrupted = results_.interrupted || ended.interrupted;
    for (const std::string& problem : ended.problems) {
        results_.problems.push_back(said_by(part, problem));
    }
    results_.hosts.insert(results_.hosts.end(), ended.hosts.begin(), ended.hosts.end());
    part.control = ended.control;
    if (!begun_ && !results_.failed && !results_.interrupted) {
        results_.failed = true;
        results_.problems.push_back("the run ended before T0: " + ended.reason);
    }
    end(ended.reason, ended.interrupted, now);
    end_if_all_ended(now);
}

void RunSession::on(SessionPart& part, const LogChunk& chunk, Instant now) {
    if (!part.ended) return;
    if (state_ == State::collecting) deadline_ = now + deadlines_.log;
    const Result<void> taken = part.log.add(chunk, [this, &part](const LogRecord& record) {
        collector_.add(record);
        if (!archive_broken_) keep(archive_.add(part.part.machine, record));
    });
    if (taken) return;
    results_.failed = true;
    results_.problems.push_back(
        fmt::format("{}'s log is damaged: {}", who(part), taken.error().message));
}

void RunSession::on(SessionPart& part, const OutputChunk& chunk, Instant now) {
    if (!part.ended) return;
    if (state_ == State::collecting) deadline_ = now + deadlines_.log;
    const bool its = std::ranges::binary_search(part.part.hosts, chunk.host);
    if (its && !archive_broken_) keep(archive_.add_output(chunk));
}

void RunSession::on(SessionPart& part, const LogEnd& end, Instant now) {
    if (!part.ended) return;
    if (part.log.lacks(end) && part.asked_again++ < kCollections) {
        outputs_.to_node(part.part.machine, Collect{part.log.size()});
        return;
    }
    const Result<void> whole = part.log.end(end);
    if (!whole) {
        results_.failed = true;
        results_.problems.push_back(
            fmt::format("{}'s log is not complete: {}", who(part), whole.error().message));
    }
    part.over = true;
    end_if_all_ended(now);
}

void RunSession::give_up_on_the_rest(const std::string& problem) {
    results_.failed = true;
    results_.exit_code = kExitMachineLost;
    results_.problems.push_back(problem);
    finish();
}

void RunSession::finish() {
    if (state_ == State::finished) return;
    state_ = State::finished;
    changes_.end();
    results_.changes = changes_.results();
    for (const ChangeResult& change : results_.changes) {
        if (change.missing.empty()) continue;
        results_.failed = true;
        results_.problems.push_back(
            fmt::format("the change by hand at {} ({}) was not carried out by {}",
                        seconds_text(change.at.time_since_epoch()), joined(change.lines, "; "),
                        joined(change.missing, ", ")));
    }
    std::vector<std::vector<std::string>> events;
    events.reserve(plan_.epochs.epochs.size());
    for (const Epoch& epoch : plan_.epochs.epochs) events.push_back(epoch.events);
    collector_.give(results_, events);
    std::ranges::sort(results_.hosts, {}, &HostResult::host);
    for (const SessionPart& part : parts_) {
        results_.control.messages_sent += part.control.messages_sent;
        results_.control.bytes_sent += part.control.bytes_sent;
        results_.machines.push_back({.name = part.part.machine,
                                     .data_plane = part.ready ? part.ready->data_plane : "",
                                     .control = part.control,
                                     .clock_error = part.clock_error});
    }
    keep(archive_.finish(results_));
    outputs_.to_cli(results_);
    for (const SessionPart& part : parts_) {
        if (part.has_run) outputs_.to_node(part.part.machine, Forget{});
    }
}

// ---- helpers

SessionPart* RunSession::find(const std::string& machine) {
    const auto found = std::ranges::find(parts_, machine,
                                         [](const SessionPart& each) { return each.part.machine; });
    return found == parts_.end() ? nullptr : &*found;
}

std::string RunSession::who(const SessionPart& part) const {
    return parts_.size() == 1 ? "the node" : "machine " + part.part.machine;
}

std::string RunSession::who(const std::function<bool(const SessionPart&)>& filter) const {
    std::vector<std::string> names;
    for (const SessionPart& part : parts_) {
        if (filter(part)) names.push_back(part.part.machine);
    }
    if (parts_.size() == 1) return "the node";
    return fmt::format("machine{} {}", names.size() == 1 ? "" : "s", joined(names, ", "));
}

std::string RunSession::said_by(const SessionPart& part, const std::string& problem) const {
    return parts_.size() == 1 ? problem : part.part.machine + ": " + problem;
}

std::string RunSession::waited_for() const {
    switch (state_) {
        case State::planned:
            return fmt::format("the run to be started within {}", seconds_text(deadlines_.start));
        case State::awaiting_nodes: {
            const std::string missing =
                parts_.size() == 1 ? "a node" : who([](const SessionPart& p) { return !p.hello; });
            return fmt::format("{} to say hello within {}", missing, seconds_text(deadlines_.node));
        }
        case State::opening_ways:
            return fmt::format("{} to open a way to the others within {}",
                               who([](const SessionPart& p) { return p.way.empty(); }),
                               seconds_text(deadlines_.node));
        case State::preparing: {
            if (!awaits_hosts_) {
                return fmt::format("{} to prepare path tables within {}",
                                   who([](const SessionPart& p) { return !p.tables.complete(); }),
                                   seconds_text(deadlines_.prepared));
            }
            const std::string where =
                parts_.size() == 1 ? ""
                                   : " of " + who([](const SessionPart& p) { return !p.ready; });
            return fmt::format(
                "all hosts{} to be ready within {}", where,
                seconds_text(plan_.options.ready_deadline + deadlines_.ready_margin));
        }
        case State::measuring_clocks:
            return fmt::format("{} to tell its clock within {}",
                               who([](const SessionPart& p) { return !p.clock.complete(); }),
                               seconds_text(deadlines_.clock));
        case State::beginning:
            return fmt::format("{} to accept T0",
                               who([](const SessionPart& p) { return !p.accepted; }));
        case State::running:
            return fmt::format("the run to end within {} of its start",
                               seconds_text(plan_.scenario.duration.value_or(Duration::zero()) +
                                            deadlines_.end_margin));
        case State::ending:
            return fmt::format("{} to end the run within {}",
                               who([](const SessionPart& p) { return p.open() && !p.ended; }),
                               seconds_text(deadlines_.ending));
        case State::collecting:
            return fmt::format("{}'s log within {}",
                               who([](const SessionPart& p) { return p.open(); }),
                               seconds_text(deadlines_.log));
        case State::finished:
            break;
    }
    return {};
}

void RunSession::set_end(Instant t0) {
    if (!plan_.scenario.duration) return;
    deadline_ = later(t0, *plan_.scenario.duration + deadlines_.end_margin);
}

void RunSession::keep_so_far() {
    RunFinished so_far = results_;
    for (const SessionPart& part : parts_) {
        so_far.machines.push_back({.name = part.part.machine,
                                   .data_plane = part.ready ? part.ready->data_plane : "",
                                   .control = {},
                                   .clock_error = part.clock_error});
    }
    keep(archive_.under_way(so_far));
}

void RunSession::wait(State state, Instant until) {
    state_ = state;
    deadline_ = until;
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

bool RunSession::any_open() const {
    return std::ranges::any_of(parts_, [](const SessionPart& part) { return part.open(); });
}

}  // namespace pleat
