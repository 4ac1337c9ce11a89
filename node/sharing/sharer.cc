#include "node/sharing/sharer.hh"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace pleat {

namespace {

// How long a slight change waits for company (5), and what is slight.
constexpr Duration kCompany = std::chrono::milliseconds{250};
constexpr double kSlight = 0.02;

// How long an idle flow is watched (6): longer than any stall of the plane's thread
// between the clock's reading and the counter's writing.
constexpr Duration kLinger = std::chrono::milliseconds{200};

// How many flows are looked at when one starts (7); as many as the tun plane looks at.
constexpr int kLooks = 4;

// A consistent look at counters that the plane's thread writes, which go on from `base`.
// `before` is the last one: time that waits is added up from two counters and must not go
// back.
FlowReading read(const FlowCounters& counters, const FlowCount& base, const FlowReading& before,
                 Instant now) {
    FlowReading reading;
    reading.count.at = now;
    reading.count.bytes = base.bytes + counters.bytes.load();
    reading.count.packets = base.packets + counters.packets.load();
    Duration waited = base.waited + Duration{counters.waited_ns.load()};
    const Instant since{Duration{counters.waiting_since_ns.load()}};
    if (since != Instant{} && since < now) waited += now - since;
    reading.count.waited = std::max(waited, before.count.waited);
    reading.queued = DataSize::bytes(std::max<std::int64_t>(0, counters.queued_bytes.load()));
    reading.last_arrival = Instant{Duration{counters.last_arrival_ns.load()}};
    return reading;
}

std::uint64_t bits(Bandwidth rate) {
    return rate.is_unlimited() ? ~std::uint64_t{0}
                               : static_cast<std::uint64_t>(rate.bits_per_second());
}

}  // namespace

Sharer::Sharer(const PathFolder& folder, std::shared_ptr<const PathTable> table,
               SharerOutputs outputs)
    : paths_{folder, std::move(table)}, outputs_{std::move(outputs)} {}

// Callers read the clock at different moments of a turn; here it never goes back.
Instant Sharer::advance(Instant now) {
    return now_ = std::max(now_, now);
}

void Sharer::resume(std::span<const FlowState> published, Instant now) {
    resumed_at_ = advance(now);
    for (const FlowState& one : published) {
        if (paths_.possible(one.flow)) own_.set(one.flow, one.state);
    }
    stale_ = true;
}

// Those that have ended while nobody was there.
void Sharer::give_up_resumed(Instant now) {
    if (!resumed_at_ || now - *resumed_at_ < kLinger) return;
    resumed_at_.reset();
    for (const FlowState& one : published()) {
        if (flows_.contains(one.flow)) continue;
        own_.set(one.flow, DemandState::gone());
        new_states_.push_back({one.flow, DemandState::gone()});
        stale_ = true;
    }
}

void Sharer::flow_started(const FlowStarted& started, Instant now) {
    now = advance(now);
    PLEAT_ASSERT(paths_.possible(started.flow));
    PLEAT_ASSERT(started.counters != nullptr);
    LocalFlow& flow = find_or_create(started);
    if (flow.machine.phase() != DemandMachine::Phase::idle) return;
    // What a flow has done that goes on was read before it was told of.
    start(flow, started.left_cap ? std::min(started.at, now) : now);
    if (stale_) {
        allocate(now);
    } else {
        allow(flow, now);
    }
    send_outputs();
    forget_some();
}

Sharer::LocalFlow& Sharer::find_or_create(const FlowStarted& started) {
    const auto [place, created] = flows_.try_emplace(started.flow);
    LocalFlow& flow = place->second;
    if (created) {
        flow.key = started.flow;
        if (started.left_cap) {
            flow.cap = *started.left_cap;
            flow.last = read(*started.counters, {}, {}, now_);
            flow.sampled_bytes = flow.last.count.bytes;
        }
        if (const auto trace = forgotten_.find(started.flow); trace != forgotten_.end()) {
            flow.before.bytes = flow.last.count.bytes = flow.sampled_bytes = trace->second.bytes;
            flow.recorded = trace->second.recorded;
            forgotten_.erase(trace);
        }
    } else if (flow.counters != started.counters) {
        flow.before = read(*flow.counters, flow.before, flow.last, now_).count;
    }
    flow.counters = started.counters;
    return flow;
}

void Sharer::forget_some() {
    auto next = flows_.upper_bound(last_look_);
    for (int look = 0; look < kLooks; ++look) {
        if (next == flows_.end()) next = flows_.begin();
        const LocalFlow& flow = next->second;
        last_look_ = flow.key;
        if (!may_forget(flow)) {
            ++next;
            continue;
        }
        forgotten_[flow.key] = {flow.before.bytes + flow.counters->bytes.load(), flow.recorded};
        paths_.forget(flow.key);
        next = flows_.erase(next);
    }
}

bool Sharer::may_forget(const LocalFlow& flow) const {
    const auto claimed = [&flow](const auto& other) {
        return !other.second.state(flow.key).is_gone();
    };
    return flow.counters.use_count() == 1 && !flow.watched && !flow.to_sample &&
           flow.machine.is_like_new() && flow.cap.is_unlimited() &&
           std::ranges::none_of(others_, claimed);
}

void Sharer::start(LocalFlow& flow, Instant now) {
    flow.last.count.at = now;
    flow.machine.resume(flow.last.count, resumed_at_ ? own_.state(flow.key) : DemandState::gone());
    if (!last_sample_) last_sample_ = now;
    if (!flow.watched) {
        const auto place = std::lower_bound(
            watched_.begin(), watched_.end(), &flow,
            [](const LocalFlow* a, const LocalFlow* b) { return a->key < b->key; });
        watched_.insert(place, &flow);
        flow.watched = true;
    }
    if (!flow.to_sample) to_sample_.push_back(&flow);
    flow.to_sample = true;
    flow.sampled_at = now;
}

void Sharer::table_activated(std::shared_ptr<const PathTable> table, Instant now) {
    now = advance(now);
    allocation_.reset();
    paths_.use(std::move(table));
    allocate(now);
    send_outputs();
}

void Sharer::tick(Instant now) {
    now = advance(now);
    for (LocalFlow* const flow : watched_) look(*flow, now);
    publish_changes(now);
    give_up_resumed(now);
    std::erase_if(watched_, [this, now](LocalFlow* flow) {
        const bool forget = flow->machine.phase() == DemandMachine::Phase::idle &&
                            now - flow->idle_since >= kLinger && own_.state(flow->key).is_gone();
        if (forget) flow->watched = false;
        return forget;
    });
    if (stale_) allocate(now);
    send_outputs();
}

void Sharer::look(LocalFlow& flow, Instant now) {
    const FlowReading reading = read(*flow.counters, flow.before, flow.last, now);
    if (flow.machine.phase() == DemandMachine::Phase::idle) {
        if (reading.last_arrival <= flow.last.last_arrival) return;
        start(flow, now);
        if (!stale_) allow(flow, now);
    }
    flow.last = reading;
    if (flow.machine.observe(reading, flow.terms)) note_change(flow, now);
    if (flow.machine.phase() == DemandMachine::Phase::idle) rest(flow, now);
}

void Sharer::note_change(const LocalFlow& flow, Instant now) {
    const DemandState before = own_.state(flow.key);
    const DemandState after = flow.machine.state();
    const auto cap = static_cast<double>(flow.terms.cap.bits_per_second());
    const bool slight = !before.is_greedy() && !after.is_greedy() &&
                        std::abs(after.rate() - before.rate()) < kSlight * cap;
    if (!slight) urgent_ = true;
    if (!changed_at_) changed_at_ = now;
}

// Only what was published counts in solutions, here as elsewhere.
void Sharer::publish_changes(Instant now) {
    if (!changed_at_ || (!urgent_ && now - *changed_at_ < kCompany)) return;
    for (const LocalFlow* const flow : watched_) {
        const DemandState state = flow->machine.state();
        if (state == own_.state(flow->key)) continue;
        own_.set(flow->key, state);
        new_states_.push_back({flow->key, state});
        stale_ = true;
    }
    urgent_ = false;
    changed_at_.reset();
}

void Sharer::rest(LocalFlow& flow, Instant now) {
    flow.idle_since = now;
    if (flow.cap.is_unlimited()) return;
    flow.cap = Bandwidth::unlimited();
    new_caps_.push_back({flow.key, flow.cap});
}

void Sharer::host_crashed(HostId host, Instant now) {
    now = advance(now);
    for (LocalFlow* const flow : watched_) {
        if (flow->key.source != host && flow->key.destination != host) continue;
        if (flow->machine.phase() == DemandMachine::Phase::idle) continue;
        flow->last = read(*flow->counters, flow->before, flow->last, now);
        if (flow->machine.stop()) {
            note_change(*flow, now);
            urgent_ = true;
        }
        rest(*flow, now);
    }
    publish_changes(now);
    if (stale_) allocate(now);
    send_outputs();
}

std::size_t Sharer::apply_remote(const std::string& publisher, std::span<const FlowState> flows,
                                 Instant now) {
    advance(now);
    std::size_t refused = 0;
    FlowStates& states = others_[publisher];
    for (const FlowState& flow : flows) {
        if (!paths_.possible(flow.flow) || flows_.contains(flow.flow) ||
            forgotten_.contains(flow.flow)) {
            ++refused;
            continue;
        }
        states.set(flow.flow, flow.state);
        stale_ = true;
    }
    return refused;
}

void Sharer::drop_publisher(const std::string& publisher, Instant now) {
    advance(now);
    if (others_.erase(publisher) > 0) stale_ = true;
}

// Of two publishers that claim one flow the first in name order counts, this machine
// before all.
std::vector<FlowState> Sharer::all_states() const {
    if (others_.empty()) return published();

    struct Claim {
        FlowState state;
        std::size_t publisher;
    };

    std::vector<Claim> claims;
    std::size_t publisher = 0;
    const auto claim = [&claims, &publisher](const FlowStates& states) {
        for (const auto& [flow, state] : states) claims.push_back({{flow, state}, publisher});
        ++publisher;
    };
    claim(own_);
    for (const auto& [name, states] : others_) claim(states);
    std::sort(claims.begin(), claims.end(), [](const Claim& a, const Claim& b) {
        return std::tie(a.state.flow, a.publisher) < std::tie(b.state.flow, b.publisher);
    });
    std::vector<FlowState> all;
    all.reserve(claims.size());
    for (const Claim& next : claims) {
        if (all.empty() || all.back().flow != next.state.flow) all.push_back(next.state);
    }
    return all;
}

std::optional<SharesDigest> Sharer::shares_digest() const {
    if (!allocation_ || stale_) return {};
    FlowStates all;
    for (const FlowState& flow : all_states()) all.set(flow.flow, flow.state);
    return SharesDigest{
        .epoch = paths_.epoch(), .states = all.digest(), .shares = allocation_->digest()};
}

void Sharer::allocate(Instant now) {
    if (stale_) all_ = all_states();
    allocation_.emplace(paths_, all_);
    stale_ = false;
    for (LocalFlow* const flow : watched_) {
        if (flow->machine.phase() != DemandMachine::Phase::idle) allow(*flow, now);
    }
}

void Sharer::allow(LocalFlow& flow, Instant now) {
    const auto found = allocation_->terms(flow.key);
    if (!found) return;  // all its packets are dropped
    flow.terms = found->terms;
    const Bandwidth allowed = flow.terms.cap;
    const Bandwidth cap = allowed < found->path ? allowed : Bandwidth::unlimited();
    if (cap != flow.cap) {
        flow.cap = cap;
        new_caps_.push_back({flow.key, cap});
    }
    if (flow.recorded != allowed) {
        flow.recorded = allowed;
        if (outputs_.share) outputs_.share(flow.key, allowed, now);
    }
}

void Sharer::send_outputs() {
    if (!new_caps_.empty() && outputs_.set_caps) outputs_.set_caps(std::move(new_caps_));
    new_caps_.clear();
    if (!new_states_.empty() && outputs_.publish) outputs_.publish(std::move(new_states_));
    new_states_.clear();
}

std::vector<FlowSample> Sharer::sample(Instant now) {
    now = advance(now);
    std::sort(to_sample_.begin(), to_sample_.end(),
              [](const LocalFlow* a, const LocalFlow* b) { return a->key < b->key; });
    std::vector<FlowSample> samples;
    for (LocalFlow* const flow : to_sample_) {
        const std::uint64_t bytes = flow->before.bytes + flow->counters->bytes.load();
        const std::uint64_t sent = bytes - flow->sampled_bytes;
        const bool active = flow->machine.phase() != DemandMachine::Phase::idle;
        const Duration interval =
            last_sample_ ? now - std::min(*last_sample_, flow->sampled_at) : Duration::zero();
        flow->sampled_bytes = bytes;
        flow->sampled_at = now;
        flow->to_sample = active;
        if (sent == 0 && !active) continue;
        const double seconds = static_cast<double>(interval.count()) * 1e-9;
        samples.push_back(
            {flow->key, bits(flow->terms.cap),
             seconds > 0.0 ? static_cast<std::uint64_t>(static_cast<double>(sent) * 8.0 / seconds)
                           : 0,
             bytes});
    }
    std::erase_if(to_sample_, [](const LocalFlow* flow) { return !flow->to_sample; });
    last_sample_ = now;
    return samples;
}

std::vector<FlowState> Sharer::published() const {
    std::vector<FlowState> states;
    for (const auto& [flow, state] : own_) states.push_back({flow, state});
    return states;
}

}  // namespace pleat
