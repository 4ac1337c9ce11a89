// Records of the run log.
#include "base/overload.hh"
#include "log.pb.h"
#include "wire/codec.hh"
#include "wire/parse.hh"

namespace pleat {

namespace {

using codec::experiment_time;
using codec::nanoseconds_of;

template <typename Message>
void put_flow(FlowKey flow, Message& out) {
    out.set_source_host(flow.source.value);
    out.set_destination_host(flow.destination.value);
}

template <typename Message>
FlowKey flow_of(const Message& in) {
    return {.source = HostId{in.source_host()}, .destination = HostId{in.destination_host()}};
}

void put(const EventRecord& record, proto::LogRecord& out) {
    proto::EventRecord& event = *out.mutable_event();
    event.set_planned_ns(nanoseconds_of(record.planned));
    event.set_actual_ns(nanoseconds_of(record.actual));
    if (record.epoch) event.set_epoch(record.epoch->value);
    event.set_text(record.text);
    if (record.change) event.set_change(*record.change);
}

void put(const DemandRecord& record, proto::LogRecord& out) {
    proto::DemandRecord& demand = *out.mutable_demand();
    demand.set_at_ns(nanoseconds_of(record.at));
    put_flow(record.flow, demand);
    demand.set_state_code(record.state.code());
}

void put(const ShareRecord& record, proto::LogRecord& out) {
    proto::ShareRecord& share = *out.mutable_share();
    share.set_at_ns(nanoseconds_of(record.at));
    put_flow(record.flow, share);
    share.set_share_bits_per_second(record.share_bps);
}

void put(const SampleRecord& record, proto::LogRecord& out) {
    proto::SampleRecord& sample = *out.mutable_sample();
    sample.set_at_ns(nanoseconds_of(record.at));
    put_flow(record.flow, sample);
    sample.set_allowed_bits_per_second(record.allowed_bps);
    sample.set_measured_bits_per_second(record.measured_bps);
    sample.set_total_bytes(record.bytes);
}

void put(const HostRecord& record, proto::LogRecord& out) {
    proto::HostRecord& host = *out.mutable_host();
    host.set_at_ns(nanoseconds_of(record.at));
    host.set_host(record.host.value);
    host.set_what(record.what);
}

void put(const TotalsRecord& record, proto::LogRecord& out) {
    out.mutable_totals()->set_counter(record.counter);
    out.mutable_totals()->set_value(record.value);
}

void put(const LatenessRecord& record, proto::LogRecord& out) {
    out.mutable_lateness()->set_at_ns(nanoseconds_of(record.at));
    out.mutable_lateness()->set_worst_ns(record.worst.count());
    out.mutable_lateness()->set_owed_ns(record.owed.count());
}

EventRecord event_record(const proto::EventRecord& in) {
    EventRecord record{.planned = experiment_time(in.planned_ns()),
                       .actual = experiment_time(in.actual_ns()),
                       .epoch = {},
                       .text = in.text()};
    if (in.has_epoch()) record.epoch = EpochId{in.epoch()};
    if (in.has_change()) record.change = in.change();
    return record;
}

LogRecord demand_record(const proto::DemandRecord& in, codec::Refusal& refusal) {
    const std::optional<DemandState> state = DemandState::from_code(in.state_code());
    refusal.require(state.has_value(), "an unknown demand state");
    return DemandRecord{.at = experiment_time(in.at_ns()),
                        .flow = flow_of(in),
                        .state = state.value_or(DemandState::gone())};
}

LogRecord record_of(const proto::LogRecord& in, codec::Refusal& refusal) {
    switch (in.record_case()) {
        case proto::LogRecord::kEvent:
            return event_record(in.event());
        case proto::LogRecord::kDemand:
            return demand_record(in.demand(), refusal);
        case proto::LogRecord::kShare:
            return ShareRecord{.at = experiment_time(in.share().at_ns()),
                               .flow = flow_of(in.share()),
                               .share_bps = in.share().share_bits_per_second()};
        case proto::LogRecord::kSample:
            return SampleRecord{.at = experiment_time(in.sample().at_ns()),
                                .flow = flow_of(in.sample()),
                                .allowed_bps = in.sample().allowed_bits_per_second(),
                                .measured_bps = in.sample().measured_bits_per_second(),
                                .bytes = in.sample().total_bytes()};
        case proto::LogRecord::kHost:
            return HostRecord{.at = experiment_time(in.host().at_ns()),
                              .host = HostId{in.host().host()},
                              .what = in.host().what()};
        case proto::LogRecord::kTotals:
            return TotalsRecord{.counter = in.totals().counter(), .value = in.totals().value()};
        case proto::LogRecord::kLateness:
            refusal.require(in.lateness().worst_ns() >= 0 && in.lateness().owed_ns() >= 0,
                            "a lateness below zero");
            return LatenessRecord{.at = experiment_time(in.lateness().at_ns()),
                                  .worst = Duration{in.lateness().worst_ns()},
                                  .owed = Duration{in.lateness().owed_ns()}};
        case proto::LogRecord::RECORD_NOT_SET:
            break;
    }
    refusal.require(false, "it is of an unknown kind");
    return TotalsRecord{};
}

}  // namespace

std::string encode(const LogRecord& record) {
    proto::LogRecord out;
    std::visit([&out](const auto& each) { put(each, out); }, record);
    return out.SerializeAsString();
}

Result<LogRecord> decode_record(std::string_view bytes) {
    codec::Refusal refusal;
    proto::LogRecord in;
    codec::parse(bytes, kMaxRecordBytes, in, refusal);
    LogRecord result;
    if (!refusal.any()) result = record_of(in, refusal);
    if (refusal.any()) return fail("bad log record: " + refusal.message());
    return result;
}

}  // namespace pleat
