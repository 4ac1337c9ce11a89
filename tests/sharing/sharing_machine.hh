// SharingMachine: one machine's part in the sharing protocol on a clock turned by hand: the
// real sharer, replica and codec, and the heartbeats of node/run_sharing. What it says are
// the bytes of the wire; who carries them to whom, and when, is the test's business.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "node/sharing/sharer.hh"
#include "node/sharing/state_replica.hh"

namespace pleat::testing {

// What it has said to all others; a message counts once, whoever listens.
struct Said {
    std::uint64_t updates = 0;
    std::uint64_t update_bytes = 0;
    std::uint64_t heartbeats = 0;
    std::uint64_t heartbeat_bytes = 0;

    std::uint64_t messages() const { return updates + heartbeats; }

    std::uint64_t bytes() const { return update_bytes + heartbeat_bytes; }

    Said& operator+=(const Said& other);
};

class SharingMachine {
  public:
    // All may be empty.
    struct Outputs {
        std::function<void(const std::string& bytes)> say;      // to all others
        std::function<void(const std::string& publisher)> ask;  // for its whole state
        std::function<void(const std::vector<FlowState>&)> published;
        std::function<void(const std::vector<FlowCap>&)> caps;
        std::function<void(FlowKey, Bandwidth share)> share;
        std::function<void(const std::string& publisher)> lost;  // silent for three heartbeats
    };

    // Its heartbeats begin at `first_heartbeat`.
    SharingMachine(std::string name, const PathFolder& folder,
                   std::shared_ptr<const PathTable> table, Instant first_heartbeat, Outputs outputs,
                   std::uint64_t incarnation = 1);

    SharingMachine(const SharingMachine&) = delete;
    SharingMachine& operator=(const SharingMachine&) = delete;

    Sharer& sharer() { return sharer_; }

    const StateReplica& replica() const { return replica_; }

    const std::string& name() const { return name_; }

    // From another machine's say(); what can't be read is counted and dropped.
    void hear(const std::string& from, const std::string& bytes, Instant now);

    // From another machine's whole_state().
    void hear_whole(const std::string& from, const std::string& bytes, Instant now);

    std::string whole_state() const;

    // Every 10 ms.
    void tick(Instant now);

    const Said& said() const { return said_; }

    std::uint64_t bad() const { return bad_; }

    // States of flows that are not the publisher's to tell.
    std::uint64_t refused() const { return refused_; }

  private:
    void publish(std::vector<FlowState> flows);
    void heartbeat();
    void sign_of_life();
    void carry_out(const StateReplica::Actions& actions, Instant now);

    std::string name_;
    Outputs outputs_;
    std::uint64_t incarnation_;
    Sharer sharer_;
    StateReplica replica_;
    std::uint64_t sequence_ = 0;
    Instant next_sign_;
    bool heartbeat_next_ = true;
    Said said_;
    std::uint64_t bad_ = 0;
    std::uint64_t refused_ = 0;
};

}  // namespace pleat::testing
