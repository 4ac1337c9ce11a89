// Events of a timeline.
#include <algorithm>
#include <limits>
#include <vector>

#include "base/overload.hh"
#include "scenario.pb.h"
#include "wire/scenario_codec.hh"

namespace pleat::codec {

namespace {

constexpr const char* kNoSuchLink = "an event of a link that does not exist";
constexpr const char* kNoSuchVertex = "an event of a point that does not exist";
constexpr const char* kNoSuchHost = "an event of a host that does not exist";

void put(const Event& event, proto::Event& out) {
    std::visit(Overload{
                   [&out](const LinkChange& e) {
                       out.mutable_link_change()->set_link(e.link.value);
                       codec::put(e.patch, *out.mutable_link_change()->mutable_patch());
                   },
                   [&out](const LinkUp& e) { out.set_link_up(e.link.value); },
                   [&out](const LinkDown& e) { out.set_link_down(e.link.value); },
                   [&out](const VertexUp& e) { out.set_vertex_up(e.vertex.value); },
                   [&out](const VertexDown& e) { out.set_vertex_down(e.vertex.value); },
                   [&out](const Partition& e) {
                       proto::Event::Partition& partition = *out.mutable_partition();
                       for (const std::vector<VertexId>& side : e.sides) {
                           proto::Side& added = *partition.add_sides();
                           for (const VertexId vertex : side) added.add_vertices(vertex.value);
                       }
                   },
                   [&out](const Heal&) { out.mutable_heal(); },
                   [&out](const HostAction& e) {
                       out.mutable_host_action()->set_kind(static_cast<std::uint32_t>(e.kind));
                       out.mutable_host_action()->set_host(e.host.value);
                   },
                   [&out](const Execute& e) {
                       out.mutable_execute()->set_host(e.host.value);
                       for (const std::string& argument : e.arguments) {
                           out.mutable_execute()->add_arguments(argument);
                       }
                   },
                   [&out](const Mark& e) { out.set_mark(e.text); },
                   [&out](const Quit&) { out.mutable_quit(); },
                   [&out](const LinkReset& e) { out.set_link_reset(e.link.value); },
               },
               event);
}

// How many of each there are.
struct Counts {
    std::size_t links;
    std::size_t hosts;
    std::size_t vertices;
};

Counts counts_of(const Topology& topology) {
    return {topology.links().size(), topology.hosts().size(), topology.vertex_count()};
}

Partition partition(const proto::Event::Partition& in, const Counts& counts, Refusal& refusal) {
    Partition result;
    for (const proto::Side& side : in.sides()) {
        std::vector<VertexId> members;
        for (const std::uint32_t vertex : side.vertices()) {
            members.push_back(id<VertexId>(vertex, counts.vertices, kNoSuchVertex, refusal));
        }
        refusal.require(std::ranges::is_sorted(members), "a side that is not in order");
        result.sides.push_back(std::move(members));
    }
    refusal.require(std::ranges::is_sorted(result.sides), "sides that are not in order");
    return result;
}

Event event(const proto::Event& in, const Counts& counts, Refusal& refusal) {
    const auto& [links, hosts, vertices] = counts;
    switch (in.kind_case()) {
        case proto::Event::kLinkChange:
            return LinkChange{
                .link = id<LinkId>(in.link_change().link(), links, kNoSuchLink, refusal),
                .patch = link_patch(in.link_change().patch(), refusal)};
        case proto::Event::kLinkUp:
            return LinkUp{id<LinkId>(in.link_up(), links, kNoSuchLink, refusal)};
        case proto::Event::kLinkDown:
            return LinkDown{id<LinkId>(in.link_down(), links, kNoSuchLink, refusal)};
        case proto::Event::kVertexUp:
            return VertexUp{id<VertexId>(in.vertex_up(), vertices, kNoSuchVertex, refusal)};
        case proto::Event::kVertexDown:
            return VertexDown{id<VertexId>(in.vertex_down(), vertices, kNoSuchVertex, refusal)};
        case proto::Event::kPartition:
            return partition(in.partition(), counts, refusal);
        case proto::Event::kHeal:
            return Heal{};
        case proto::Event::kHostAction:
            return HostAction{
                .kind = enumeration<HostAction::Kind>(in.host_action().kind(), 6,
                                                      "an unknown action on a host", refusal),
                .host = id<HostId>(in.host_action().host(), hosts, kNoSuchHost, refusal)};
        case proto::Event::kExecute:
            return Execute{
                .host = id<HostId>(in.execute().host(), hosts, kNoSuchHost, refusal),
                .arguments = {in.execute().arguments().begin(), in.execute().arguments().end()}};
        case proto::Event::kMark:
            return Mark{in.mark()};
        case proto::Event::kQuit:
            return Quit{};
        case proto::Event::kLinkReset:
            return LinkReset{id<LinkId>(in.link_reset(), links, kNoSuchLink, refusal)};
        case proto::Event::KIND_NOT_SET:
            break;
    }
    refusal.require(false, "an event of an unknown kind");
    return Heal{};
}

}  // namespace

void put(const TimedEvent& timed, proto::TimedEvent& out) {
    out.set_at_ns(nanoseconds_of(timed.at));
    put(timed.event, *out.mutable_event());
    out.set_phase(static_cast<std::uint32_t>(timed.phase));
    out.set_overlay(timed.overlay);
    out.set_text(timed.text);
}

namespace {

TimedEvent timed_event(const proto::TimedEvent& in, const Counts& counts, Refusal& refusal) {
    return {.at = ExperimentTime{length_of_time(in.at_ns(), "an event before the start", refusal)},
            .event = event(in.event(), counts, refusal),
            .phase = enumeration<Phase>(in.phase(), 4, "an unknown phase of an event", refusal),
            .overlay = in.overlay(),
            .text = in.text()};
}

}  // namespace

TimedEvent timed_event(const proto::TimedEvent& in, const Topology& topology, Refusal& refusal) {
    return timed_event(in, counts_of(topology), refusal);
}

TimedEvent timed_event_of_any_topology(const proto::TimedEvent& in, Refusal& refusal) {
    constexpr std::size_t kAny = std::numeric_limits<std::uint32_t>::max();
    return timed_event(in, Counts{kAny, kAny, kAny}, refusal);
}

}  // namespace pleat::codec
