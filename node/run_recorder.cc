#include "node/run_recorder.hh"

#include <charconv>
#include <cstdint>
#include <string_view>

#include "base/log.hh"

namespace pleat {

namespace {

constexpr std::string_view kExited = "exited ";

std::uint64_t bits_per_second(Bandwidth share) {
    return share.is_unlimited() ? ~std::uint64_t{0}
                                : static_cast<std::uint64_t>(share.bits_per_second());
}

}  // namespace

void RunRecorder::begin(Instant t0) {
    t0_ = t0;
    begun_ = true;
    for (auto& [instant, record] : std::exchange(before_t0_, {})) {
        host(record.host, instant, std::move(record.what));
    }
}

void RunRecorder::event(ExperimentTime planned, Instant now, const std::string& text) {
    write(EventRecord{.planned = planned, .actual = at(now), .epoch = std::nullopt, .text = text});
    flush();
}

void RunRecorder::change(ExperimentTime planned, Instant now, const std::string& text,
                         std::uint32_t number) {
    write(EventRecord{.planned = planned,
                      .actual = at(now),
                      .epoch = std::nullopt,
                      .text = text,
                      .change = number});
    flush();
}

void RunRecorder::epoch(const TableActivated& activated, ExperimentTime planned, std::string text) {
    write(EventRecord{.planned = planned,
                      .actual = at(activated.actual),
                      .epoch = activated.epoch,
                      .text = std::move(text)});
    flush();
}

void RunRecorder::host(HostId host, Instant instant, std::string what) {
    HostRecord record{.at = at(instant), .host = host, .what = std::move(what)};
    if (!begun_) {
        before_t0_.emplace_back(instant, std::move(record));
        return;
    }
    write(record);
    flush();
}

void RunRecorder::share(FlowKey flow, Bandwidth share, Instant now) {
    write(ShareRecord{.at = at(now), .flow = flow, .share_bps = bits_per_second(share)});
}

void RunRecorder::demands(const std::vector<FlowState>& flows, Instant now) {
    for (const FlowState& flow : flows) {
        write(DemandRecord{.at = at(now), .flow = flow.flow, .state = flow.state});
    }
    flush();  // for who takes over
}

void RunRecorder::sample(const FlowSample& flow, Instant now) {
    write(SampleRecord{.at = at(now),
                       .flow = flow.flow,
                       .allowed_bps = flow.allowed_bps,
                       .measured_bps = flow.measured_bps,
                       .bytes = flow.bytes});
}

void RunRecorder::lateness(Duration worst, Duration owed, Instant now) {
    write(LatenessRecord{.at = at(now), .worst = worst, .owed = owed});
}

void RunRecorder::totals(const PlaneTotals& totals) {
    const auto record = [this](std::string counter, auto value) {
        write(
            TotalsRecord{.counter = std::move(counter), .value = static_cast<std::int64_t>(value)});
    };
    record("packets_in", totals.packets_in);
    record("packets_out", totals.packets_out);
    record("bytes_out", totals.bytes_out);
    record("queue_drops", totals.queue_drops);
    record("loss_drops", totals.loss_drops);
    record("unreachable_drops", totals.unreachable_drops);
    record("unknown_destination_drops", totals.unknown_destination_drops);
    record("malformed_drops", totals.malformed_drops);
    record("write_drops", totals.write_drops);
    const TunnelTotals& tunnel = totals.tunnel;
    record("tunnel_packets_in", tunnel.packets_in);
    record("tunnel_packets_out", tunnel.packets_out);
    record("tunnel_not_ready_drops", tunnel.not_ready_drops);
    record("tunnel_send_drops", tunnel.send_drops);
    record("tunnel_overflow_drops", tunnel.overflow_drops);
    record("tunnel_forged_drops", tunnel.forged_drops);
    record("tunnel_replayed_drops", tunnel.replayed_drops + tunnel.late_drops);
    record("tunnel_incomplete_drops", tunnel.incomplete_drops);
    record("tunnel_other_drops",
           tunnel.malformed_drops + tunnel.unknown_machine_drops + tunnel.misdirected_drops);
    record("interfaces_lost", totals.interfaces_lost);
    record("delivery_lateness_p50_ns", totals.delivery_lateness_p50.count());
    record("delivery_lateness_p99_ns", totals.delivery_lateness_p99.count());
    record("delivery_lateness_max_ns", totals.delivery_lateness_max.count());
}

void RunRecorder::round_trips(const std::vector<std::pair<std::string, Duration>>& machines) {
    for (const auto& [machine, took] : machines) {
        write(TotalsRecord{.counter = "round_trip_to_" + machine + "_ns", .value = took.count()});
    }
}

void RunRecorder::flush() {
    const Result<void> flushed = log_.flush();
    if (flushed || problem_) return;
    problem_ = flushed.error().message;
    log::error("the run log is incomplete: {}", *problem_);
}

void RunRecorder::write(const LogRecord& record) {
    if (begun_) log_.write(record);
}

std::optional<int> exit_code_told(const HostRecord& record) {
    if (!record.what.starts_with(kExited)) return std::nullopt;
    int code = 0;
    const std::string_view digits = std::string_view{record.what}.substr(kExited.size());
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), code);
    if (error != std::errc{}) return std::nullopt;
    return code;
}

}  // namespace pleat
