// FlowAccount: what a flow has done, from what the kernel counts of it. An approximation;
// docs/design/netem.md says of what.
//
// (1) Sent: what the path's class has sent, and what netem lost before it could; without
//     the duplicates that the class sent, too.
// (2) While packets are on their way losses are known by qdiscs' counts of drops; when
//     none is, they are all that entered and was not sent: exact, segment by segment.
// (3) Waiting: the queue between delay and clock was not empty when it was looked at, and
//     at the look before.
#pragma once

#include <memory>

#include "node/dataplane/data_plane.hh"
#include "node/dataplane/netem/tcal.hh"

namespace pleat {

// What the classifier counted; without one only `known` is false.
struct EntryCount {
    bool known = false;
    std::uint64_t bytes = 0;
    std::uint64_t packets = 0;
    std::uint64_t duplicates = 0;
    std::uint64_t duplicate_bytes = 0;
    std::uint64_t unreachable_drops = 0;
    Instant last_arrival;
};

class FlowAccount {
  public:
    const std::shared_ptr<FlowCounters>& counters() const { return counters_; }

    // From now on the path has chances (of loss, ...) or may have had: then what netem drops
    // is lost, otherwise it did not fit.
    void may_lose() { may_lose_ = true; }

    // A packet has come; also when nothing else shows it.
    void note_arrival(Instant at);

    // `entered` was read before `sent`. `overhead`: what each packet counts beside its
    // layer-2 length.
    void update(const EntryCount& entered, const DestinationUsage& sent, std::int32_t overhead,
                Instant now);

    // Nothing more will come of what waits: its interface is lost. Counts stay.
    void stop(Instant now);

    // Nothing is on its way and nothing has come for a while: need not be looked at until
    // something comes.
    bool quiet(Instant now) const;

    std::uint64_t sent_packets() const { return sent_packets_; }

    std::uint64_t sent_bytes() const { return sent_bytes_; }

  private:
    void end_wait(Instant now);

    std::shared_ptr<FlowCounters> counters_ = std::make_shared<FlowCounters>();
    bool may_lose_ = false;
    bool empty_ = true;
    Instant last_arrival_;
    std::uint64_t sent_packets_ = 0;
    std::uint64_t sent_bytes_ = 0;
    std::uint64_t seen_ = 0;  // sum of all counts at the last look, without a classifier
};

}  // namespace pleat
