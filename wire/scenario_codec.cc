// Scenarios and their applications.
#include "wire/scenario_codec.hh"

#include <algorithm>

#include "base/overload.hh"
#include "scenario.pb.h"
#include "wire/codec.hh"
#include "wire/parse.hh"

namespace pleat::codec {

namespace {

template <typename Variables>
std::map<std::string, std::string> variables(const Variables& in) {
    std::map<std::string, std::string> result;
    for (const proto::Application::Variable& variable : in) {
        result.insert_or_assign(variable.name(), variable.value());
    }
    return result;
}

void put_variables(const std::map<std::string, std::string>& variables,
                   google::protobuf::RepeatedPtrField<proto::Application::Variable>& out) {
    for (const auto& [name, value] : variables) {
        proto::Application::Variable& added = *out.Add();
        added.set_name(name);
        added.set_value(value);
    }
}

void put(const Application& application, proto::Application& out) {
    // Named one by one, so that a new member can't be forgotten here.
    const auto& [arguments, environment, sysctls, user, ready, after, main, manual, outside, place,
                 attached, not_yet] = application;
    for (const std::string& argument : arguments) out.add_arguments(argument);
    put_variables(environment, *out.mutable_environment());
    put_variables(sysctls, *out.mutable_sysctls());
    out.set_user(user);
    out.set_place(place_rule_text(place));
    if (ready) {
        std::visit(Overload{
                       [&out](const ReadyWhenListening& r) { out.set_ready_tcp_port(r.tcp_port); },
                       [&out](const ReadyWhenFile& r) { out.set_ready_file(r.path); },
                       [&out](const ReadyAfter& r) { out.set_ready_after_ns(r.delay.count()); },
                   },
                   *ready);
    }
    for (const HostId host : after) out.add_after_hosts(host.value);
    out.set_main(main);
    out.set_manual(manual);
    out.set_outside(outside);
    for (const std::string& property : not_yet) out.add_not_yet(property);
    if (attached) {
        out.mutable_attached()->set_machine(attached->machine);
        out.mutable_attached()->set_ipv4(attached->ipv4);
        for (const std::string& word : attached->stop) out.mutable_attached()->add_stop(word);
    }
}

std::optional<ReadyCondition> ready(const proto::Application& in, Refusal& refusal) {
    switch (in.ready_case()) {
        case proto::Application::kReadyTcpPort: {
            const bool right = in.ready_tcp_port() >= 1 && in.ready_tcp_port() <= 65535;
            if (!refusal.require(right, "a TCP port that is not from 1 to 65535")) return {};
            return ReadyWhenListening{static_cast<std::uint16_t>(in.ready_tcp_port())};
        }
        case proto::Application::kReadyFile:
            return ReadyWhenFile{in.ready_file()};
        case proto::Application::kReadyAfterNs:
            return ReadyAfter{
                length_of_time(in.ready_after_ns(), "a negative time to be ready", refusal)};
        case proto::Application::READY_NOT_SET:
            break;
    }
    return {};
}

Application application(const proto::Application& in, std::size_t hosts, Refusal& refusal) {
    Application result;
    result.arguments.assign(in.arguments().begin(), in.arguments().end());
    result.environment = variables(in.environment());
    result.sysctls = variables(in.sysctls());
    result.user = in.user();
    result.ready = ready(in, refusal);
    for (const std::uint32_t host : in.after_hosts()) {
        result.after.push_back(
            id<HostId>(host, hosts, "a host that starts after one that does not exist", refusal));
    }
    result.main = in.main();
    result.manual = in.manual();
    result.outside = in.outside();
    if (!in.place().empty()) {
        const Result<PlaceRule> place = parse_place_rule(in.place());
        if (refusal.require(place.has_value(), "a host with a place that makes no sense")) {
            result.place = *place;
        }
    }
    if (in.has_attached()) {
        result.attached =
            AttachedMachine{.machine = in.attached().machine(),
                            .ipv4 = in.attached().ipv4(),
                            .stop = {in.attached().stop().begin(), in.attached().stop().end()}};
    }
    result.not_yet.assign(in.not_yet().begin(), in.not_yet().end());
    return result;
}

}  // namespace

void put(const Scenario& scenario, proto::Scenario& out) {
    // Named one by one, so that a new member can't be forgotten here.
    const auto& [name, seed, duration, routing, topology, applications, timeline, expectations,
                 addresses, groups, not_yet] = scenario;
    out.set_name(name);
    out.set_seed(seed);
    if (duration) out.set_duration_ns(duration->count());
    out.set_routing(static_cast<std::uint32_t>(routing));
    put(topology, *out.mutable_topology());
    for (const Application& each : applications) put(each, *out.add_applications());
    for (const TimedEvent& each : timeline) put(each, *out.add_timeline());
    for (const std::string& each : expectations) out.add_expectations(each);
    out.set_addresses(addresses);
    for (const auto& [group, members] : groups) {
        proto::Group& added = *out.add_groups();
        added.set_name(group);
        for (const VertexId vertex : members) added.add_vertices(vertex.value);
    }
    for (const std::string& each : not_yet) out.add_not_yet(each);
}

Scenario scenario(const proto::Scenario& in, Refusal& refusal) {
    Scenario result;
    result.name = in.name();
    result.seed = in.seed();
    if (in.has_duration_ns()) {
        result.duration = length_of_time(in.duration_ns(), "a duration that is negative", refusal);
    }
    result.routing = enumeration<Routing>(in.routing(), 2, "an unknown kind of routing", refusal);
    result.topology = topology(in.topology(), refusal);
    if (refusal.any()) return {};  // the rest is checked against the topology
    const std::size_t hosts = result.topology.hosts().size();
    refusal.require(static_cast<std::size_t>(in.applications_size()) == hosts,
                    "not one application to each host");
    for (const proto::Application& each : in.applications()) {
        result.applications.push_back(application(each, hosts, refusal));
    }
    for (const proto::TimedEvent& each : in.timeline()) {
        result.timeline.push_back(timed_event(each, result.topology, refusal));
    }
    refusal.require(std::ranges::is_sorted(result.timeline, {}, &TimedEvent::at),
                    "a timeline that is not in order");
    result.expectations.assign(in.expectations().begin(), in.expectations().end());
    result.addresses = in.addresses();
    for (const proto::Group& each : in.groups()) {
        std::vector<VertexId>& members = result.groups[each.name()];
        for (const std::uint32_t vertex : each.vertices()) {
            members.push_back(id<VertexId>(vertex, result.topology.vertex_count(),
                                           "a group with a point that does not exist", refusal));
        }
        refusal.require(std::ranges::is_sorted(members), "a group that is not in order");
    }
    result.not_yet.assign(in.not_yet().begin(), in.not_yet().end());
    return result;
}

}  // namespace pleat::codec

namespace pleat {

std::string encode(const Scenario& scenario) {
    proto::Scenario message;
    codec::put(scenario, message);
    return message.SerializeAsString();
}

Result<Scenario> decode_scenario(std::string_view bytes) {
    codec::Refusal refusal;
    proto::Scenario message;
    codec::parse(bytes, kMaxControlBytes, message, refusal);
    Scenario result;
    if (!refusal.any()) result = codec::scenario(message, refusal);
    if (refusal.any()) return fail("bad scenario: " + refusal.message());
    return result;
}

}  // namespace pleat
