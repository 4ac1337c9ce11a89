// Notices flows that start.
#include "node/dataplane/netem/flow_starts.hh"

#include <algorithm>
#include <utility>

#include "base/error.hh"

namespace pleat {

namespace {

// Without BPF, how often one looks for new flows, and the part of the time that this may take.
constexpr Duration kPoll = std::chrono::milliseconds{20};
constexpr int kPollShare = 10;
// Of a plane that is taken over: a flow is under way that had a packet so lately.
constexpr Duration kUnderWay = std::chrono::seconds{1};

}  // namespace

FlowStarts::FlowStarts(boost::asio::io_context& loop, Classifier* classifier, bool is_adopted,
                       const LocalHosts& locals, const Places& places, FlowBook& flows,
                       std::function<void(FlowStarted)> report)
    : classifier_{classifier},
      is_adopted_{is_adopted},
      locals_{locals},
      places_{places},
      flows_{flows},
      report_{std::move(report)},
      events_readable_{loop},
      poll_timer_{loop} {
    if (classifier_ == nullptr) return;
    events_readable_.assign(classifier_->events().descriptor());
    if (!is_adopted_) wait_for_events();
}

FlowStarts::~FlowStarts() {
    // The classifier owns it.
    if (classifier_ != nullptr) events_readable_.release();
}

void FlowStarts::first_host_comes() {
    if (classifier_ == nullptr && !is_adopted_) wait_for_poll(kPoll);
}

void FlowStarts::wait_for_events() {
    events_readable_.async_wait(
        boost::asio::posix::stream_descriptor::wait_read, lifeline_.guard([this] {
            wait_for_events();
            std::vector<std::pair<FlowKey, Instant>> starts;
            classifier_->events().take<netem_event>([&](const netem_event& event) {
                if (event.source >= places_.size() || !places_[event.source]) return;
                starts.emplace_back(FlowKey{*places_[event.source], HostId{event.destination}},
                                    Instant{Duration{static_cast<std::int64_t>(event.at_ns)}});
            });
            for (const auto& [flow, at] : starts) start(flow, at);
        }));
}

void FlowStarts::wait_for_poll(Duration pause) {
    poll_timer_.expires_after(pause);
    poll_timer_.async_wait(lifeline_.guard([this] { poll_for_starts(); }));
}

void FlowStarts::poll_for_starts() {
    const Instant from = monotonic_now();
    for (const auto& [host, local] : locals_) {
        for (const std::uint32_t one : local->started(from, kIdle)) {
            start({host, HostId{one}}, from);
        }
    }
    if (!locals_.empty()) {
        wait_for_poll(std::max(kPoll, kPollShare * (monotonic_now() - from)));
    }
}

void FlowStarts::start(FlowKey flow, Instant at) {
    const LocalHost* const local = find_local(locals_, flow.source);
    const bool has_chances =
        local != nullptr && (local->rows[flow.destination.value].has_chances() ||
                             local->memory->rows()[flow.destination.value].may_lose);
    std::optional<Bandwidth> left_cap;
    if (left_flows_.erase(flow) > 0 && local != nullptr) {
        left_cap = local->rows[flow.destination.value].cap;
    }
    report_(FlowStarted{.flow = flow,
                        .at = at,
                        .counters = flows_.start(flow, at, has_chances),
                        .left_cap = left_cap});
}

// The flows that an earlier plane knew, once a table says how their bytes are counted. Those of
// late are under way.
void FlowStarts::report_left() {
    has_reported_left_ = true;
    const Instant now = monotonic_now();
    std::vector<FlowKey> under_way;
    for (const auto& [host, local] : locals_) {
        if (classifier_ == nullptr) {
            for (const std::uint32_t one : local->started(now, kIdle)) {
                under_way.push_back({host, HostId{one}});
                left_flows_.insert(under_way.back());
                flows_.recall(under_way.back(), now, local->memory->rows()[one].may_lose);
            }
            continue;
        }
        for (std::uint32_t i = 0; i < local->rows.size(); ++i) {
            const Instant last = local->entered(i).last_arrival;
            if (last == Instant{}) continue;
            const FlowKey flow{host, HostId{i}};
            flows_.recall(flow, last, local->memory->rows()[i].may_lose);
            left_flows_.insert(flow);
            if (now - last < kUnderWay) under_way.push_back(flow);
        }
    }
    // Who hears of a flow finds what it has done so far.
    flows_.read([this](HostId host) { return find_local(locals_, host); }, now);
    for (const FlowKey& flow : under_way) start(flow, now);
    if (classifier_ != nullptr) {
        wait_for_events();
    } else {
        wait_for_poll(kPoll);
    }
}

}  // namespace pleat
