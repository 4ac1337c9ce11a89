// What command line, controller and nodes say to each other, as values, and in which order. Each is
// in wire/operator_messages.hh or wire/node_messages.hh; wire/codec.hh turns them into bytes. What
// nodes say among themselves is in wire/state_messages.hh, the records of the log that a node sends
// at the end in wire/log_records.hh.
//
//   pleat  -- request -->  pleat-controller   (DEALER -> ROUTER, ipc or tcp)
//   pleat-node -- hello, acks, reports -->  pleat-controller   (DEALER -> ROUTER, the same socket)
//   pleat-node -- states -->  pleat-node     (PUB -> SUB; snapshots by DEALER -> ROUTER)
//
// Life of a run (controller/run_session and node/daemon follow it line by line):
//   cli  -> ctl   Submit{scenario, options}      ctl -> cli   Submitted | Refused
//   node -> ctl   Hello                          (before or after Submit)
//   cli  -> ctl   StartRun
//   ctl  -> node  OpenWay                        node -> ctl   WayOpened   (on several machines)
//   ctl  -> node  PrepareRun{scenario, base table, options}, then PrepareEpoch{delta} each
//   node -> ctl   Prepared{version, epoch, hash} each; HostsReady when the ready hosts are
//   ctl <-> node  ClockPing / ClockPong, several
//   ctl  -> node  Begin{T0}                      node -> ctl   BeginAccepted | BeginRefused
//   ctl  -> node  ConfirmBegin{T0}               (when every node of the run has accepted)
//   node -> ctl   Progress, once a second        ctl -> cli    the same, and every stage above
//   node -> ctl   RunEnded{hosts, reason}, LogChunk…, OutputChunk…, LogEnd
//   ctl  -> cli   RunFinished{results}
//   cli  -> ctl   ChangeRun (by hand)            (controller/hand_changes)
//   ctl  -> node  PrepareEpoch{delta} of a new version     node -> ctl   Prepared
//   ctl  -> node  AnnounceChange{instant}        node -> ctl   ChangeDone | ChangeMissed
//   ctl  -> cli   RunChanged
//   cli  -> ctl   StopRun (Ctrl-C)               ctl -> node   EndRun
//   ctl  -> node  Forget                         (all of the run's part is here)
//   cli  -> ctl   Shutdown                       ctl -> node   Shutdown
//
// After a connection was lost, or the controller or a node was started anew:
//   node -> ctl   Hello{…, the runs that it has}
//   ctl  -> node  Collect{offset} of a run that has ended: RunEnded and the log come (again)
//   cli  -> ctl   Watch{run}
//
// The network between two machines is measured, as asked for by CheckMachines{}:
//   ctl  -> nodes OpenWay                        node -> ctl   WayOpened
//   ctl  -> nodes MeasureWay{the other's end, a key, who leads}
//   node -> ctl   WayMeasured | NodeFailed       (then a pair more, or Ways to the cli)
//
// A node, or an operator, joins a controller once, over a connection whose key is a token:
//   new  -> ctl   Join{name, its own key}        ctl -> new   Joined | Refused
#pragma once

#include <variant>

#include "wire/node_messages.hh"
#include "wire/operator_messages.hh"

namespace pleat {

// Any of them. A class of its own so that what copies, moves and ends one is compiled once
// (control_message.cc), not in every file that holds one.
class ControlMessage
    : public std::variant<
          Submit, StartRun, StopRun, Shutdown, Submitted, Refused, Stage, Progress, RunFinished,
          Hello, PrepareRun, PrepareEpoch, Prepared, HostsReady, ClockPing, ClockPong, Begin,
          BeginAccepted, BeginRefused, ConfirmBegin, EndRun, RunEnded, LogChunk, LogEnd, NodeFailed,
          Watch, ListRuns, Runs, Inspect, RunDetails, MakeToken, Token, ListMachines, Machines,
          RemoveMachine, LabelMachine, Done, Join, Joined, Collect, Forget, OpenWay, WayOpened,
          OutputChunk, ReadOutput, OutputPiece, RunOnHost, RanOnHost, ChangeRun, RunChanged,
          AnnounceChange, ChangeDone, ChangeMissed, CheckMachines, Ways, CheckPlacement,
          PlacementChecked, MeasureWay, WayMeasured> {
  public:
    using variant::variant;
    ControlMessage();
    ControlMessage(const ControlMessage& other);
    ControlMessage(ControlMessage&& other) noexcept;
    ControlMessage& operator=(const ControlMessage& other);
    ControlMessage& operator=(ControlMessage&& other) noexcept;
    ~ControlMessage();

    friend bool operator==(const ControlMessage& a, const ControlMessage& b);
};

}  // namespace pleat
