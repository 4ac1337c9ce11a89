// Cases are tagged [short] when they judge no time closely: they also hold on a machine that
// is emulated.
//
// The planes of the conformance suite, and where each may differ from the others. Nothing
// else may differ: a case knows only the DataPlane interface and what is declared here.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/dataplane/plane_world.hh"

namespace pleat::testing {

enum class JoinedLoss : std::uint8_t {
    each,            // one is lost, the others arrive
    as_first,        // all are lost when the first one is
    all_or_nothing,  // the same, by a draw of its own
};

struct Plane {
    std::string name;
    OpenPlane open;
    AttachmentKind attachment;
    // Why it can't run here; empty when it can.
    std::function<std::string()> missing;

    // The median error of a round trip, of one where other paths carry load, too.
    Duration rtt_error;
    // Of the rate that a path lets through, by its bits per second.
    std::function<double(double)> rate_error;
    // How far a host's link of 20 Mbps may be ahead of its rate.
    Duration burst{};
    // The same of one of 200 Mbps.
    Duration fast_burst{};
    // The packets that are lost are those that model/draw.hh says.
    bool draws_by_model = true;
    // What becomes of the segments that a sender itself has joined to one packet.
    JoinedLoss joined_loss = JoinedLoss::each;
    // A queue's limit holds to the byte, not for a number of packets.
    bool queues_bytes = true;
    // How late a table takes effect, median.
    Duration switch_lateness = std::chrono::microseconds{100};
    // No table is later than that, however late this process is.
    bool switches_exactly = false;
    // A latency that falls lets nothing overtake what is under way.
    bool keeps_order_when_sooner = true;
    // All paths change at one instant; otherwise one after the other.
    bool switches_at_once = true;
    // A root qdisc that somebody else removes is put back; otherwise all is dropped from then on.
    bool mends_root = true;
    // One that leaves everything in force when it ends; none of planes that can't.
    OpenPlane open_to_leave{};
    // Opens one of its kind that takes over what was left.
    OpenPlane open_to_take_over{};
    // Tables come into force at their instants when no plane is there.
    bool switches_alone = false;
};

// Runs the case for every plane that this machine can have (of those that the environment
// variable PLEAT_PLANES names; tests/wanted_planes.hh), and says aloud which it
// cannot have. How often each ran or was skipped is printed at the end.
void for_each_plane(const std::function<void(const Plane&)>& test);

// Said by a case that ends early: it does not concern the plane, or needs something that this
// machine has not.
void not_applicable();
void skip_case(const std::string& missing);

}  // namespace pleat::testing
