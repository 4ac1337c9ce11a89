#include "tests/sharing/dumbbell.hh"

namespace pleat::testing {

using std::chrono::milliseconds;

namespace {

void connect(TopologyBuilder& builder, const std::string& a, const std::string& b, Duration latency,
             Bandwidth bandwidth) {
    LinkProperties properties;
    properties.latency = latency;
    properties.bandwidth = bandwidth;
    builder.add_link(a, b, properties);
    builder.add_link(b, a, properties);
}

template <typename Make>
void each_direction(Scenario& scenario, Duration at, std::string_view a, std::string_view b,
                    Make make) {
    const Topology& topology = scenario.topology;
    for (std::uint32_t id = 0; id < topology.links().size(); ++id) {
        const Link& link = topology.link(LinkId{id});
        const std::string& from = topology.name(link.from);
        const std::string& to = topology.name(link.to);
        if (!(from == a && to == b) && !(from == b && to == a)) continue;
        TimedEvent event;
        event.at = ExperimentTime{at};
        event.event = make(LinkId{id});
        scenario.timeline.push_back(event);
    }
    scenario.timeline = canonical(scenario.timeline);
}

}  // namespace

Scenario dumbbell(std::uint32_t pairs, Bandwidth bottleneck, Bandwidth access) {
    TopologyBuilder builder;
    Bridge left;
    left.name = left.label = "s1";
    Bridge right;
    right.name = right.label = "s2";
    builder.add(left);
    builder.add(right);
    for (std::uint32_t i = 0; i < pairs; ++i) {
        for (const std::string group : {"client", "server"}) {
            Host host;
            host.name = group + "[" + std::to_string(i) + "]";
            host.group = group;
            host.replica = i;
            host.replicated = true;
            builder.add(host);
            connect(builder, host.name, group == "client" ? "s1" : "s2", milliseconds{5}, access);
        }
    }
    connect(builder, "s1", "s2", milliseconds{10}, bottleneck);
    Scenario scenario;
    scenario.topology = std::move(builder).build().value();
    scenario.applications.resize(scenario.topology.hosts().size());
    return scenario;
}

void set_link(Scenario& scenario, Duration at, std::string_view a, std::string_view b,
              const LinkPatch& patch) {
    each_direction(scenario, at, a, b, [&patch](LinkId id) { return LinkChange{id, patch}; });
}

void cut_link(Scenario& scenario, Duration at, std::string_view a, std::string_view b) {
    each_direction(scenario, at, a, b, [](LinkId id) { return LinkDown{id}; });
}

}  // namespace pleat::testing
