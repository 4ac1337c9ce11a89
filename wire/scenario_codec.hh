// Parts of a scenario as protobuf messages and back; of use to wire/*.cc only.
#pragma once

#include "model/scenario.hh"
#include "wire/refusal.hh"

namespace pleat::proto {
class Event;
class LinkPatch;
class LinkProperties;
class Scenario;
class TimedEvent;
class Topology;
}  // namespace pleat::proto

namespace pleat::codec {

void put(const LinkProperties& properties, proto::LinkProperties& out);
LinkProperties link_properties(const proto::LinkProperties& in, Refusal& refusal);

void put(const LinkPatch& patch, proto::LinkPatch& out);
LinkPatch link_patch(const proto::LinkPatch& in, Refusal& refusal);

void put(const Topology& topology, proto::Topology& out);
// Comes out with the ids that went in, or is refused.
Topology topology(const proto::Topology& in, Refusal& refusal);

void put(const TimedEvent& event, proto::TimedEvent& out);
TimedEvent timed_event(const proto::TimedEvent& in, const Topology& topology, Refusal& refusal);

// What is right in itself, whatever the topology: its ids may name nothing of it.
TimedEvent timed_event_of_any_topology(const proto::TimedEvent& in, Refusal& refusal);

void put(const Scenario& scenario, proto::Scenario& out);
Scenario scenario(const proto::Scenario& in, Refusal& refusal);

}  // namespace pleat::codec
