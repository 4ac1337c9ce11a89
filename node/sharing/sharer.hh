// Sharer: from the counters of this machine's flows, and what other machines publish of
// theirs, to the cap of each flow here. No clock, thread or socket.
//
//     FlowCounters -> DemandMachine -> published state
//     published states of all machines, table in force -> Allocation -> caps
//
// (1) A local flow has its source on this machine and is known from its first packet; all
//     others are known from updates only.
// (2) Every solution is made of published states, in FlowKey order: the same on every
//     machine. Nothing is published because a table or a share has changed.
// (3) An activated table, a crash and a flow's start change caps at once; all else at the
//     next tick. One tick makes at most one publication.
// (4) A cap is given to the plane when it changes. One that is no tighter than the path is
//     given as unlimited: then the flow follows its path by itself. So is that of a flow
//     that went idle: its first packet is not held to what it had long ago.
// (5) A change that gives or takes less than 2 % of what the flow may have (ACKs that follow
//     their data) waits for the company of another, at most 250 ms.
// (6) A flow that went idle is watched a little longer: it may have had a packet that the
//     plane took for the end of its busy time.
// (7) When the plane has forgotten a silent flow, so that its counters are nobody else's,
//     so does the sharer, but for what samples and the log need when it comes back.
// (8) Of a run that is taken over the flows count as they were published last, until their plane
//     reports them as under way or kLinger has passed; and their caps are as the plane says.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "model/demand_machine.hh"
#include "model/flow_states.hh"
#include "node/dataplane/data_plane.hh"
#include "node/sharing/allocation.hh"
#include "node/sharing/flow_paths.hh"
#include "wire/state_messages.hh"

namespace pleat {

// What the sharer wants done. Each may be empty.
struct SharerOutputs {
    std::function<void(std::vector<FlowCap>)> set_caps;
    std::function<void(std::vector<FlowState>)> publish;  // one message
    // For the log: a flow's share (its cap or its path's bandwidth) came into force.
    std::function<void(FlowKey, Bandwidth share, Instant)> share;
};

struct FlowSample {
    FlowKey flow;
    std::uint64_t allowed_bps = 0;   // 2^64 - 1: unlimited
    std::uint64_t measured_bps = 0;  // since the sample before
    std::uint64_t bytes = 0;         // since the flow was first seen
};

class Sharer {
  public:
    // `folder` must outlive it; `table` is in force.
    Sharer(const PathFolder& folder, std::shared_ptr<const PathTable> table, SharerOutputs outputs);

    // Before all else, of a run that is taken over: what was published last, in FlowKey order.
    void resume(std::span<const FlowState> published, Instant now);

    void flow_started(const FlowStarted& started, Instant now);
    void table_activated(std::shared_ptr<const PathTable> table, Instant now);

    // Every 10 ms while not idle().
    void tick(Instant now);

    // No flow of this machine is or was lately active.
    bool idle() const { return watched_.empty() && !resumed_at_; }

    // The flows from and to `host` are gone.
    void host_crashed(HostId host, Instant now);

    // New states of flows of another machine. Returns how many were refused: flows of
    // hosts that do not exist, or flows of this machine.
    std::size_t apply_remote(const std::string& publisher, std::span<const FlowState> flows,
                             Instant now);

    // All its flows are gone.
    void drop_publisher(const std::string& publisher, Instant now);

    // Local flows that it has not forgotten.
    std::size_t flows() const { return flows_.size(); }

    // Every flow that sent since the last call, in FlowKey order.
    std::vector<FlowSample> sample(Instant now);

    // All that this machine has published and that is not gone, in FlowKey order.
    std::vector<FlowState> published() const;

    // Of published().
    std::uint64_t digest() const { return own_.digest(); }

    // Whose table is in force.
    EpochId epoch() const { return paths_.epoch(); }

    // Of the states of all machines and of what was made of them. Nothing while a solution
    // is due.
    std::optional<SharesDigest> shares_digest() const;

  private:
    struct LocalFlow {
        FlowKey key;
        std::shared_ptr<const FlowCounters> counters;
        FlowCount before;  // what had departed before these counters began
        DemandMachine machine;
        FlowReading last;                        // as it was last looked at
        Bandwidth cap = Bandwidth::unlimited();  // as the plane has it
        FlowTerms terms;                         // as it was last allocated
        std::optional<Bandwidth> recorded;       // share in the log
        Instant idle_since;
        bool watched = false;
        bool to_sample = false;
        std::uint64_t sampled_bytes = 0;
        Instant sampled_at;  // when that had departed; or a later instant, nothing in between
    };

    // What is kept of a flow that is forgotten (7).
    struct Trace {
        std::uint64_t bytes = 0;
        std::optional<Bandwidth> recorded;
    };

    Instant advance(Instant now);
    LocalFlow& find_or_create(const FlowStarted& started);
    void forget_some();
    bool may_forget(const LocalFlow& flow) const;
    void look(LocalFlow& flow, Instant now);
    void start(LocalFlow& flow, Instant now);
    void give_up_resumed(Instant now);
    void note_change(const LocalFlow& flow, Instant now);
    void publish_changes(Instant now);
    void rest(LocalFlow& flow, Instant now);
    void allocate(Instant now);
    void allow(LocalFlow& flow, Instant now);
    std::vector<FlowState> all_states() const;
    void send_outputs();

    FlowPaths paths_;
    SharerOutputs outputs_;
    FlowStates own_;                            // as published
    std::map<std::string, FlowStates> others_;  // by publisher
    std::map<FlowKey, LocalFlow> flows_;        // local flows
    std::unordered_map<FlowKey, Trace> forgotten_;
    FlowKey last_look_;                // where the search for silent flows goes on
    std::vector<LocalFlow*> watched_;  // the active and the lately active, by key
    std::vector<LocalFlow*> to_sample_;
    std::optional<Allocation> allocation_;
    bool stale_ = true;           // states have changed since allocation_ was made
    std::vector<FlowState> all_;  // all_states() of then
    Instant now_;
    std::optional<Instant> last_sample_;  // or the first flow's start, before any
    std::vector<FlowCap> new_caps_;       // to be sent
    std::vector<FlowState> new_states_;   // to be sent
    bool urgent_ = false;                 // a state has changed by much (5)
    std::optional<Instant> resumed_at_;   // (8), until all is known
    std::optional<Instant> changed_at_;   // since when a state waits to be published
};

}  // namespace pleat
