// The way to T0.
#include "controller/common_start.hh"

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/joined.hh"

namespace pleat {

namespace {

constexpr std::uint32_t kAnnouncements = 5;

}  // namespace

// ---- all here

void CommonStart::begin(Instant now) {
    wait(State::awaiting_nodes, now + deadlines_.node);
    prepare_if_all_here(now);
}

void CommonStart::prepare_if_all_here(Instant now) {
    const bool all = parts_.all([](const SessionPart& part) { return part.hello.has_value(); });
    if (state_ != State::awaiting_nodes || !all) return;
    if (parts_.one()) return prepare(now);
    wait(State::opening_ways, now + deadlines_.node);
    for (SessionPart& part : parts_) {
        part.way.clear();
        outputs_.to_node(part.part.machine, OpenWay{});
    }
}

void CommonStart::node_lost(SessionPart& part, Instant now) {
    part.hello.reset();
    part.way.clear();
    if (state_ == State::opening_ways) wait(State::awaiting_nodes, now + deadlines_.node);
}

void CommonStart::receive(SessionPart& part, const WayOpened& opened, Instant now) {
    if (state_ != State::opening_ways) return;
    part.way = opened.endpoint;
    part.vxlan = opened.vxlan;
    if (parts_.all([](const SessionPart& p) { return !p.way.empty(); })) prepare(now);
}

void CommonStart::close_ways(const EndRun& end) const {
    for (const SessionPart& part : parts_) {
        if (!part.has_run && !part.way.empty()) outputs_.to_node(part.part.machine, end);
    }
}

// ---- all prepared

void CommonStart::prepare(Instant now) {
    wait(State::preparing, now + deadlines_.prepared);
    // All of them have the run now: whoever is lost meanwhile is one that had it.
    for (SessionPart& part : parts_) {
        part.has_run = true;
        part.heard = now;
    }
    std::vector<std::vector<Peer>> peers_of = peers();
    for (std::size_t i = 0; i < parts_.size(); ++i) {
        const MachinePart& part = parts_[i].part;
        outputs_.to_node(part.machine, first_push(plan_, part, std::move(peers_of[i])));
    }
    for (std::size_t i = 1; i < plan_.epochs.epochs.size(); ++i) {
        for (const SessionPart& part : parts_) {
            outputs_.to_node(part.part.machine, PrepareEpoch{plan_.epochs.epochs[i].delta});
        }
    }
}

// What each is told of the others.
std::vector<std::vector<Peer>> CommonStart::peers() const {
    std::map<std::pair<std::size_t, std::size_t>, std::string> keys;  // by pair, the lower first
    for (std::size_t i = 0; i < parts_.size(); ++i) {
        for (std::size_t j = i + 1; j < parts_.size(); ++j) keys[{i, j}] = outputs_.fresh_key();
    }
    std::vector<std::vector<Peer>> peers{parts_.size()};
    for (std::size_t i = 0; i < parts_.size(); ++i) {
        for (std::size_t j = 0; j < parts_.size(); ++j) {
            if (i == j) continue;
            const SessionPart& other = parts_[j];
            peers[i].push_back({.name = other.part.machine,
                                .address = other.hello->address,
                                .hosts = other.part.hosts,
                                .way = other.way,
                                .way_key = keys.at({std::min(i, j), std::max(i, j)}),
                                .vxlan = other.vxlan});
        }
    }
    return peers;
}

Result<void> CommonStart::receive(SessionPart& part, const Prepared& prepared, Instant now) {
    if (state_ != State::preparing) return {};
    const Result<void> right = part.tables.add(prepared, parts_.who(part));
    if (!right) return fail(right.error().message);
    if (!parts_.all([](const SessionPart& each) { return each.tables.complete(); })) {
        deadline_ = now + deadlines_.prepared;
        return {};
    }
    awaits_hosts_ = true;
    deadline_ = now + plan_.options.ready_deadline + deadlines_.ready_margin;
    measure_if_ready(now);
    return {};
}

void CommonStart::receive(SessionPart& part, const HostsReady& ready, Instant now) {
    if (state_ != State::preparing || part.ready) return;
    part.ready = ready;
    if (!parts_.all([](const SessionPart& p) { return p.ready.has_value(); })) return;
    std::uint32_t hosts = 0;
    std::set<std::string> planes;
    for (const SessionPart& each : parts_) {
        hosts += each.ready->hosts;
        planes.insert(each.ready->data_plane);
    }
    const std::string data_plane = joined(planes, ", ");
    outcome_.prepared(data_plane);
    const std::string machines =
        parts_.one() ? std::string{} : fmt::format(" on {} machines", parts_.size());
    outputs_.stage("hosts",
                   fmt::format("{}/{} ready{} (data plane: {})", hosts,
                               plan_.scenario.topology.hosts().size(), machines, data_plane));
    measure_if_ready(now);
}

// ---- one T0

void CommonStart::measure_if_ready(Instant now) {
    const bool ready =
        parts_.all([](const SessionPart& part) { return part.ready && part.tables.complete(); });
    if (!ready) return;
    wait(State::measuring_clocks, now + deadlines_.clock);
    for (const SessionPart& part : parts_) {
        outputs_.to_node(part.part.machine, part.clock.ping(now));
    }
}

void CommonStart::receive(SessionPart& part, const ClockPong& pong, Instant now) {
    if (state_ != State::measuring_clocks || !part.clock.pong(pong, now)) return;
    if (!part.clock.complete()) {
        outputs_.to_node(part.part.machine, part.clock.ping(now));
        return;
    }
    if (parts_.all([](const SessionPart& p) { return p.clock.complete(); })) announce(now);
}

void CommonStart::announce(Instant now) {
    t0_ = now + announcement_lead(parts_.worst_round_trip(), attempts_++);
    wait(State::beginning, t0_ + deadlines_.begin);
    for (SessionPart& part : parts_) {
        part.accepted = false;
        part.t0 = part.clock.there_at(t0_);
        outputs_.to_node(part.part.machine, Begin{part.t0});
    }
}

Result<void> CommonStart::receive(SessionPart& part, const BeginRefused& refused, Instant now) {
    // An answer to an earlier announcement is none to this one.
    if (state_ != State::beginning || refused.t0 != part.t0) return {};
    if (attempts_ >= kAnnouncements) {
        return fail(
            fmt::format("{} refused T0 {} times: {}", parts_.who(part), attempts_, refused.reason));
    }
    announce(now);
    return {};
}

void CommonStart::receive(SessionPart& part, const BeginAccepted& accepted) {
    if (state_ != State::beginning || accepted.t0 != part.t0) return;
    part.accepted = true;
    if (parts_.all([](const SessionPart& p) { return p.accepted; })) state_ = State::agreed;
}

Duration CommonStart::confirm(Instant now) {
    Duration bound{};
    for (SessionPart& part : parts_) {
        part.heard = std::max(now, t0_);
        part.drift.begin(part.t0, part.clock.error_bound(t0_));
        bound = std::max(bound, part.drift.most());
    }
    for (const SessionPart& part : parts_) {
        outputs_.to_node(part.part.machine, ConfirmBegin{part.t0});
    }
    return bound;
}

// ---- deadlines

std::string CommonStart::waited_for() const {
    switch (state_) {
        case State::awaiting_nodes: {
            const std::string missing =
                parts_.one() ? "a node" : parts_.who([](const SessionPart& p) { return !p.hello; });
            return fmt::format("{} to say hello within {}", missing, in_seconds(deadlines_.node));
        }
        case State::opening_ways:
            return fmt::format("{} to open a way to the others within {}",
                               parts_.who([](const SessionPart& p) { return p.way.empty(); }),
                               in_seconds(deadlines_.node));
        case State::preparing: {
            if (!awaits_hosts_) {
                return fmt::format(
                    "{} to prepare path tables within {}",
                    parts_.who([](const SessionPart& p) { return !p.tables.complete(); }),
                    in_seconds(deadlines_.prepared));
            }
            const std::string where =
                parts_.one() ? ""
                             : " of " + parts_.who([](const SessionPart& p) { return !p.ready; });
            return fmt::format("all hosts{} to be ready within {}", where,
                               in_seconds(plan_.options.ready_deadline + deadlines_.ready_margin));
        }
        case State::measuring_clocks:
            return fmt::format("{} to tell its clock within {}",
                               parts_.who([](const SessionPart& p) { return !p.clock.complete(); }),
                               in_seconds(deadlines_.clock));
        case State::beginning:
            return fmt::format("{} to accept T0",
                               parts_.who([](const SessionPart& p) { return !p.accepted; }));
        case State::agreed:
            break;
    }
    return {};
}

void CommonStart::wait(State state, Instant until) {
    state_ = state;
    deadline_ = until;
}

}  // namespace pleat
