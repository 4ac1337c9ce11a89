#include "node/announced_changes.hh"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/log.hh"
#include "node/repeating_timer.hh"

namespace pleat {

namespace {

// What is missing is asked for so often.
constexpr Duration kAskAgain = std::chrono::seconds{2};

double seconds(Duration duration) {
    return std::chrono::duration<double>{duration}.count();
}

}  // namespace

AnnouncedChanges::AnnouncedChanges(boost::asio::io_context& loop, TableSchedule& schedule,
                                   RunRecorder& recorder, Outputs outputs)
    : schedule_{schedule}, recorder_{recorder}, outputs_{std::move(outputs)}, timer_{loop} {}

void AnnouncedChanges::announce(AnnounceChange change, Instant now) {
    if (change.number <= fence_.in_force()) {
        // What was said of it has been lost.
        outputs_.send(ChangeDone{.number = change.number});
        return;
    }
    const auto place = std::ranges::lower_bound(
        waiting_, change.number, {}, [](const Waiting& each) { return each.change.number; });
    if (place != waiting_.end() && place->change.number == change.number) return;
    waiting_.insert(place, Waiting{std::move(change)});
    schedule_what_can_be(now);
}

std::optional<TableSchedule::ByHand> AnnouncedChanges::in_force_by(
    const std::vector<AnnounceChange>& changes, Instant now) const {
    std::optional<TableSchedule::ByHand> latest;
    for (const AnnounceChange& change : changes) {
        const Instant at = recorder_.instant(change.at);
        if (change.version && at <= now) latest = {*change.version, at};
    }
    return latest;
}

void AnnouncedChanges::resume(const std::vector<AnnounceChange>& changes, Instant now) {
    for (const AnnounceChange& change : changes) {
        const bool past = recorder_.instant(change.at) <= now;
        // What was due while nobody was there is done without its actions: they may have been.
        Waiting waiting{change};
        if (past) waiting.change.actions.clear();
        waiting_.push_back(std::move(waiting));
    }
    schedule_what_can_be(now);
}

void AnnouncedChanges::schedule_what_can_be(Instant now) {
    for (Waiting& each : waiting_) {
        if (each.scheduled) continue;
        const bool next = each.change.number == scheduled_ + 1;
        const Instant at = recorder_.instant(each.change.at);
        const std::optional<std::uint32_t> version = each.change.version;
        if (!next || (version && !schedule_.has_switched_to(*version) &&
                      !schedule_.switch_version(*version, at, now))) {
            log::warn(
                "a change by hand can't be carried out yet: its tables are not here "
                "number={}",
                each.change.number);
            ask(now);
            break;
        }
        each.scheduled = true;
        ++scheduled_;
    }
    wait_for_instant();
}

void AnnouncedChanges::ask(Instant now) {
    if (asked_ && now < *asked_ + kAskAgain) return;
    asked_ = now;
    outputs_.send(ChangeMissed{.changes = scheduled_});
}

void AnnouncedChanges::tables_refused(const std::string& why, Instant now) {
    log::warn("tables of a change by hand can't be taken: {}", why);
    ask(now);
}

std::optional<std::string> AnnouncedChanges::fenced() const {
    if (!closed_) return {};
    return fmt::format(
        "a change by hand was missed: hosts here were cut from the network from {:.3f} s to the "
        "end",
        seconds(recorder_.at(closed_since_).time_since_epoch()));
}

void AnnouncedChanges::tables_here(Instant now) {
    if (waiting_.empty() || waiting_.back().scheduled) return;
    schedule_what_can_be(now);
}

// The first one, when it has no tables.
void AnnouncedChanges::wait_for_instant() {
    if (waiting_.empty() || !waiting_.front().scheduled || waiting_.front().change.version) return;
    timer_.expires_at(steady(recorder_.instant(waiting_.front().change.at)));
    const std::uint32_t number = waiting_.front().change.number;
    timer_.async_wait(lifeline_.guard([this, number] {
        const bool still = !waiting_.empty() && waiting_.front().change.number == number;
        if (still) do_it(monotonic_now());
    }));
}

void AnnouncedChanges::in_force(std::uint32_t version, Instant actual) {
    // So are all before it, whether a plane that was late has told of them or not.
    while (!waiting_.empty() && waiting_.front().scheduled) {
        const AnnounceChange& next = waiting_.front().change;
        const bool due = recorder_.instant(next.at) <= actual;
        if (next.version ? *next.version > version : !due) break;
        do_it(actual);
    }
}

void AnnouncedChanges::do_it(Instant now) {
    if (waiting_.empty() || !waiting_.front().scheduled) return;
    const AnnounceChange change = std::move(waiting_.front().change);
    waiting_.pop_front();
    const Duration late = now - recorder_.instant(change.at);
    recorder_.change(change.at, now, change.text, change.number);
    log::info("changed by hand number={} late_us={}", change.number,
              std::chrono::duration_cast<std::chrono::microseconds>(late).count());
    fence_.in_force(change.number);
    outputs_.send(ChangeDone{.number = change.number, .late = late});
    outputs_.done(change.number);
    check(now);
    wait_for_instant();
    for (const TimedEvent& action : change.actions) outputs_.play(action);
}

void AnnouncedChanges::heard(std::uint32_t changes, Instant now) {
    fence_.due(changes, recorder_.at(now));
}

void AnnouncedChanges::check(Instant now) {
    for (const Waiting& each : waiting_) {
        if (recorder_.instant(each.change.at) <= now) {
            fence_.due(each.change.number, recorder_.at(now));
        }
    }
    if (fence_.lacks() || schedule_.overdue(now)) ask(now);
    const bool close = fence_.closed(recorder_.at(now)) || schedule_.overdue(now);
    if (close == closed_) return;
    closed_ = close;
    if (close) {
        closed_since_ = now;
        log::error("a change by hand is in force elsewhere and not here: hosts are cut off");
    } else {
        outputs_.problem(fmt::format(
            "a change by hand was missed: hosts here were cut from the network from {:.3f} s to "
            "{:.3f} s",
            seconds(recorder_.at(closed_since_).time_since_epoch()),
            seconds(recorder_.at(now).time_since_epoch())));
    }
    outputs_.fence(close);
}

}  // namespace pleat
