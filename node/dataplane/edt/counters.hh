// From what the `edt` plane's program has counted of a path to what the meter wants to
// know of its flow at an instant.
//
// The program counts a packet when it is accepted and knows when the path's clock will have
// sent it. What is accepted but not sent yet is reckoned at the rate of the latest packet: exact
// while the rate stays, an estimate until the queue has passed after it changed. Bytes and
// packets never go back.
#pragma once

#include "base/clock.hh"
#include "bpf/shared/edt.h"
#include "node/dataplane/data_plane.hh"

namespace pleat {

void bring_up_to_date(FlowCounters& flow, const edt_counters& path, Instant now);

// Nothing entered for a second, nothing is queued or waiting: it need not be read until the
// program says that it starts anew.
bool long_idle(const edt_counters& path, Instant now);

}  // namespace pleat
