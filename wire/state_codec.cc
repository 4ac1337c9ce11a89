// Demand states: many flows in few bytes.
#include <algorithm>
#include <map>
#include <vector>

#include "base/overload.hh"
#include "state.pb.h"
#include "wire/codec.hh"
#include "wire/parse.hh"

namespace pleat {

namespace {

constexpr std::uint32_t kShortCodes = 256;

// In order, each flow once; of two states of a flow the later one.
std::vector<FlowState> in_order(const std::vector<FlowState>& flows) {
    std::map<FlowKey, DemandState> states;
    for (const FlowState& each : flows) states.insert_or_assign(each.flow, each.state);
    std::vector<FlowState> result;
    result.reserve(states.size());
    for (const auto& [flow, state] : states) result.push_back({.flow = flow, .state = state});
    return result;
}

void put(const StateUpdate& update, proto::StateUpdate& out) {
    const std::vector<FlowState> flows = in_order(update.flows);
    std::uint32_t last_destination = 0;
    bool long_codes = false;
    for (const FlowState& each : flows) {
        last_destination = std::max(last_destination, each.flow.destination.value);
        long_codes = long_codes || each.state.code() >= kShortCodes;
    }
    // Host 2^32 - 1 can't exist: a machine's memory holds fewer.
    PLEAT_ASSERT(last_destination < UINT32_MAX);
    const std::uint64_t destinations = std::uint64_t{last_destination} + 1;
    out.set_epoch(update.epoch.value);
    out.set_destinations(static_cast<std::uint32_t>(destinations));
    std::uint64_t before = 0;
    for (const FlowState& each : flows) {
        const std::uint64_t number =
            each.flow.source.value * destinations + each.flow.destination.value;
        out.add_flow_deltas(number - before);
        before = number;
        if (long_codes) {
            out.add_long_codes(each.state.code());
        } else {
            out.mutable_state_codes()->push_back(static_cast<char>(each.state.code()));
        }
    }
    for (const auto& [host, status] : update.hosts) {
        const unsigned code = 2U * static_cast<unsigned>(status.state) + (status.ready ? 1U : 0U);
        out.add_hosts(host.value);
        out.mutable_host_codes()->push_back(static_cast<char>(code));
        out.add_host_events_done(status.events_done);
    }
}

HostStatuses host_statuses(const proto::StateUpdate& in, codec::Refusal& refusal) {
    HostStatuses result;
    const auto count = static_cast<std::size_t>(in.hosts_size());
    if (!refusal.require(
            in.host_codes().size() == count && in.host_events_done_size() == in.hosts_size(),
            "columns of different lengths")) {
        return result;
    }
    for (std::size_t i = 0; i < count; ++i) {
        const HostId host{in.hosts(static_cast<int>(i))};
        const bool ascends = result.empty() || result.rbegin()->first < host;
        if (!refusal.require(ascends, "hosts that are not in order")) return result;
        const auto code = static_cast<unsigned char>(in.host_codes()[i]);
        result[host] = {.state = codec::enumeration<HostStatus::State>(
                            code / 2U, 3, "an unknown state of a host", refusal),
                        .ready = code % 2U == 1,
                        .events_done = in.host_events_done(static_cast<int>(i))};
    }
    return result;
}

std::vector<FlowState> flow_states(const proto::StateUpdate& in, codec::Refusal& refusal) {
    std::vector<FlowState> result;
    const auto count = static_cast<std::size_t>(in.flow_deltas_size());
    const bool long_codes = in.long_codes_size() > 0;
    const std::size_t codes =
        long_codes ? static_cast<std::size_t>(in.long_codes_size()) : in.state_codes().size();
    if (!refusal.require(codes == count, "columns of different lengths") ||
        !refusal.require(count == 0 || in.destinations() > 0, "flows without destinations")) {
        return result;
    }
    result.reserve(count);
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const std::uint64_t delta = in.flow_deltas(static_cast<int>(i));
        const bool ascends = (delta > 0 || i == 0) && number + delta >= number;
        if (!refusal.require(ascends, "flows that are not in order")) return result;
        number += delta;
        const std::uint64_t source = number / in.destinations();
        const std::uint32_t code = long_codes ? in.long_codes(static_cast<int>(i))
                                              : static_cast<unsigned char>(in.state_codes()[i]);
        const std::optional<DemandState> state = DemandState::from_code(code);
        if (!refusal.require(source < UINT32_MAX, "a host that can't exist") ||
            !refusal.require(state.has_value(), "an unknown demand state")) {
            return result;
        }
        result.push_back({.flow = {.source = HostId{static_cast<std::uint32_t>(source)},
                                   .destination = HostId{static_cast<std::uint32_t>(
                                       number % in.destinations())}},
                          .state = *state});
    }
    return result;
}

}  // namespace

std::string encode(const StateMessage& message) {
    proto::StateEnvelope out;
    out.set_version(kProtocolVersion);
    std::visit(Overload{
                   [&out](const StateUpdate& update) {
                       out.set_publisher(update.publisher);
                       out.set_incarnation_ns(update.incarnation);
                       out.set_sequence(update.sequence);
                       put(update, *out.mutable_update());
                   },
                   [&out](const Heartbeat& heartbeat) {
                       out.set_publisher(heartbeat.publisher);
                       out.set_incarnation_ns(heartbeat.incarnation);
                       out.set_sequence(heartbeat.sequence);
                       out.mutable_heartbeat()->set_digest(heartbeat.digest);
                       if (!heartbeat.shares) return;
                       auto& shares = *out.mutable_heartbeat()->mutable_shares();
                       shares.set_epoch(heartbeat.shares->epoch.value);
                       shares.set_states(heartbeat.shares->states);
                       shares.set_shares(heartbeat.shares->shares);
                   },
                   [&out](const Alive&) { out.mutable_alive(); },
               },
               message);
    return out.SerializeAsString();
}

Result<StateMessage> decode_state(std::string_view bytes) {
    codec::Refusal refusal;
    proto::StateEnvelope in;
    codec::parse(bytes, kMaxStateBytes, in, refusal);
    refusal.require(in.version() == kProtocolVersion, "it is of another version of pleat");
    refusal.require(in.body_case() != proto::StateEnvelope::BODY_NOT_SET, "it is of unknown kind");
    StateMessage result;
    if (in.has_heartbeat()) {
        Heartbeat heartbeat{.publisher = in.publisher(),
                            .incarnation = in.incarnation_ns(),
                            .sequence = in.sequence(),
                            .digest = in.heartbeat().digest(),
                            .shares = {}};
        if (in.heartbeat().has_shares()) {
            const auto& shares = in.heartbeat().shares();
            heartbeat.shares = SharesDigest{.epoch = EpochId{shares.epoch()},
                                            .states = shares.states(),
                                            .shares = shares.shares()};
        }
        result = std::move(heartbeat);
    } else if (in.has_alive()) {
        result = Alive{};
    } else {
        result = StateUpdate{.publisher = in.publisher(),
                             .incarnation = in.incarnation_ns(),
                             .sequence = in.sequence(),
                             .epoch = EpochId{in.update().epoch()},
                             .flows = flow_states(in.update(), refusal),
                             .hosts = host_statuses(in.update(), refusal)};
    }
    if (refusal.any()) return fail("bad state message: " + refusal.message());
    return result;
}

}  // namespace pleat
