#include "tests/sharing/sharing_machine.hh"

#include <utility>
#include <variant>

#include "base/overload.hh"
#include "wire/codec.hh"

namespace pleat::testing {

namespace {

// As `pleat run` names runs.
constexpr std::size_t kTopicBytes = std::string_view{"r-0123abcd"}.size();

}  // namespace

Said& Said::operator+=(const Said& other) {
    updates += other.updates;
    update_bytes += other.update_bytes;
    heartbeats += other.heartbeats;
    heartbeat_bytes += other.heartbeat_bytes;
    return *this;
}

SharingMachine::SharingMachine(std::string name, const PathFolder& folder,
                               std::shared_ptr<const PathTable> table, Instant first_heartbeat,
                               Outputs outputs, std::uint64_t incarnation)
    : name_{std::move(name)},
      outputs_{std::move(outputs)},
      incarnation_{incarnation},
      sharer_{folder, std::move(table),
              SharerOutputs{
                  .set_caps =
                      [this](const std::vector<FlowCap>& caps) {
                          if (outputs_.caps) outputs_.caps(caps);
                      },
                  .publish = [this](std::vector<FlowState> flows) { publish(std::move(flows)); },
                  .share =
                      [this](FlowKey flow, Bandwidth share, Instant) {
                          if (outputs_.share) outputs_.share(flow, share);
                      }}},
      next_sign_{first_heartbeat} {}

void SharingMachine::publish(std::vector<FlowState> flows) {
    if (outputs_.published) outputs_.published(flows);
    const std::string bytes = encode(StateMessage{StateUpdate{.publisher = name_,
                                                              .incarnation = incarnation_,
                                                              .sequence = ++sequence_,
                                                              .epoch = sharer_.epoch(),
                                                              .flows = std::move(flows),
                                                              .hosts = {}}});
    ++said_.updates;
    said_.update_bytes += kTopicBytes + bytes.size();
    if (outputs_.say) outputs_.say(bytes);
}

void SharingMachine::heartbeat() {
    const std::string bytes =
        encode(StateMessage{Heartbeat{.publisher = name_,
                                      .incarnation = incarnation_,
                                      .sequence = sequence_,
                                      .digest = digest_with(sharer_.digest(), {}),
                                      .shares = {}}});
    ++said_.heartbeats;
    said_.heartbeat_bytes += kTopicBytes + bytes.size();
    if (outputs_.say) outputs_.say(bytes);
}

void SharingMachine::sign_of_life() {
    if (std::exchange(heartbeat_next_, !heartbeat_next_)) return heartbeat();
    const std::string bytes = encode(StateMessage{Alive{}});
    ++said_.heartbeats;
    said_.heartbeat_bytes += kTopicBytes + bytes.size();
    if (outputs_.say) outputs_.say(bytes);
}

std::string SharingMachine::whole_state() const {
    return encode(StateMessage{StateUpdate{.publisher = name_,
                                           .incarnation = incarnation_,
                                           .sequence = sequence_,
                                           .epoch = sharer_.epoch(),
                                           .flows = sharer_.published(),
                                           .hosts = {}}});
}

void SharingMachine::tick(Instant now) {
    if (!sharer_.idle()) sharer_.tick(now);
    carry_out(replica_.tick(now), now);
    if (now < next_sign_) return;
    next_sign_ += std::chrono::milliseconds{500};
    sign_of_life();
}

void SharingMachine::hear(const std::string& from, const std::string& bytes, Instant now) {
    Result<StateMessage> message = decode_state(bytes);
    if (!message) {
        ++bad_;
        return;
    }
    std::visit(
        Overload{
            [&](StateUpdate& update) { carry_out(replica_.receive(std::move(update), now), now); },
            [&](const Heartbeat& beat) { carry_out(replica_.receive(beat, now), now); },
            [&](const Alive&) { replica_.receive_alive(from, now); },
        },
        *message);
}

void SharingMachine::hear_whole(const std::string& /*from*/, const std::string& bytes,
                                Instant now) {
    const Result<StateMessage> message = decode_state(bytes);
    if (!message || !std::holds_alternative<StateUpdate>(*message)) {
        ++bad_;
        return;
    }
    carry_out(replica_.receive_snapshot(std::get<StateUpdate>(*message), now), now);
}

void SharingMachine::carry_out(const StateReplica::Actions& actions, Instant now) {
    for (const ReplicaAction& action : actions) {
        std::visit(Overload{
                       [&](const ApplyStates& apply) {
                           refused_ += sharer_.apply_remote(apply.publisher, apply.flows, now);
                       },
                       [&](const DropStates& drop) {
                           sharer_.drop_publisher(drop.publisher, now);
                           if (drop.lost && outputs_.lost) outputs_.lost(drop.publisher);
                       },
                       [&](const AskSnapshot& ask) {
                           if (outputs_.ask) outputs_.ask(ask.publisher);
                       },
                   },
                   action);
    }
}

}  // namespace pleat::testing
