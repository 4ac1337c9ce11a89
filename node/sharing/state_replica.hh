// StateReplica: the receiving side of other machines' published states. It decides; who
// owns the sockets carries out.
//
// (1) A publisher's messages are numbered within an incarnation (the instant of its
//     start). A later incarnation discards all that the publisher said before; an
//     earlier one is not listened to.
// (2) An update is applied when it is the next one. Older ones are dropped. After a gap,
//     a heartbeat whose digest is not ours, or the first word of a publisher that has
//     spoken before, a snapshot is asked for; updates that come meanwhile wait, and are
//     applied after it when they are later.
// (3) One request a publisher is in flight. After 200 ms without answer it is asked again,
//     each time after twice as long, at most 3.2 s.
// (4) A publisher that has said nothing for almost three heartbeats (2.9 s) is dropped, so that
//     its states have left everybody's shares within three. It speaks every half second, so
//     five of its messages are missing by then.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.hh"
#include "model/flow_states.hh"
#include "wire/state_messages.hh"

namespace pleat {

// The flows and hosts are as told here now; gone flows included.
struct ApplyStates {
    std::string publisher;
    std::vector<FlowState> flows;
    HostStatuses hosts;
};

// All flows of the publisher are gone. `lost`: so is the publisher (4).
struct DropStates {
    std::string publisher;
    bool lost = false;
};

struct AskSnapshot {
    std::string publisher;
};

using ReplicaAction = std::variant<ApplyStates, DropStates, AskSnapshot>;

class StateReplica {
  public:
    using Actions = std::vector<ReplicaAction>;

    Actions receive(StateUpdate update, Instant now);
    Actions receive(const Heartbeat& heartbeat, Instant now);

    // It is there still, and has said nothing else. One that is not known stays so: its next
    // heartbeat makes it known.
    void receive_alive(const std::string& publisher, Instant now);

    // The answer to AskSnapshot: the full state after update `sequence`.
    Actions receive_snapshot(const StateUpdate& full, Instant now);

    // Deadlines; call it at least every 100 ms.
    Actions tick(Instant now);

    // Is this publisher known, and nothing of it missing?
    bool in_step(const std::string& publisher) const;

    // Has it been heard, and not been lost since?
    bool heard(const std::string& publisher) const { return publishers_.contains(publisher); }

  private:
    struct Publisher {
        std::uint64_t incarnation = 0;
        std::uint64_t sequence = 0;  // of the last applied update
        FlowStates states;
        HostStatuses hosts;
        Instant heard;
        std::vector<StateUpdate> waiting;  // for the snapshot; ascending
        // A request is in flight until this deadline.
        std::optional<Instant> ask_again_at;
        Duration patience{};
    };

    Publisher* listen(const std::string& name, std::uint64_t incarnation, Instant now,
                      Actions& actions);
    static void ask(const std::string& name, Publisher& publisher, Instant now, Actions& actions);
    static void apply(const std::string& name, Publisher& publisher, const StateUpdate& update,
                      Actions& actions);
    static void apply_waiting(const std::string& name, Publisher& publisher, Instant now,
                              Actions& actions);

    std::map<std::string, Publisher> publishers_;
};

}  // namespace pleat
