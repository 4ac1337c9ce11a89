#include "tests/model/random_world.hh"

#include <algorithm>
#include <stdexcept>

namespace pleat::testing {

using namespace std::chrono_literals;

namespace {

LinkProperties random_properties(Random& random, const Shape& shape) {
    LinkProperties p;
    p.latency = below(random, shape.latency_steps) * 1ms;
    p.bandwidth = Bandwidth::bits_per_second(1'000'000L * (1 + below(random, 9)));
    if (below(random, 3) == 0) p.jitter = below(random, 3) * 1ms;
    if (below(random, 3) == 0) p.loss = Probability::of(below(random, 10) / 100.0);
    if (below(random, 5) == 0) p.distribution = JitterDistribution::uniform;
    if (below(random, 5) == 0) p.queue = QueueLimit{QueueLimit::Kind::packets, 10};
    if (below(random, 7) == 0) p.bandwidth = Bandwidth::unlimited();
    return p;
}

template <typename T>
const T& one_of(Random& random, const std::vector<T>& all) {
    return all[static_cast<std::size_t>(below(random, static_cast<int>(all.size()) - 1))];
}

std::uint32_t index(Random& random, std::size_t size) {
    return static_cast<std::uint32_t>(below(random, static_cast<int>(size) - 1));
}

Partition random_partition(Random& random, const Topology& topology) {
    Partition partition;
    partition.sides.resize(2 + index(random, 2));
    for (std::uint32_t v = 0; v < topology.vertex_count(); ++v) {
        if (below(random, 2) == 0) continue;
        partition.sides[index(random, partition.sides.size())].push_back(VertexId{v});
    }
    std::ranges::sort(partition.sides);
    return partition;
}

LinkPatch random_patch(Random& random) {
    LinkPatch patch;
    if (below(random, 1) == 0) patch.latency = below(random, 4) * 1ms;
    if (below(random, 2) == 0) patch.loss = Probability::of(below(random, 10) / 100.0);
    if (below(random, 3) == 0) patch.burst_loss = GilbertElliott{};
    if (below(random, 1) == 0) {
        patch.bandwidth = Bandwidth::bits_per_second(1'000'000L * (1 + below(random, 9)));
    }
    return patch;
}

Event random_event(Random& random, const Topology& topology) {
    const LinkId link{index(random, topology.links().size())};
    const VertexId vertex{index(random, topology.vertex_count())};
    switch (below(random, 15)) {
        case 0:
        case 1:
            return LinkUp{link};
        case 2:
        case 3:
            return LinkDown{link};
        case 4:
        case 5:
            return VertexUp{vertex};
        case 6:
            return VertexDown{vertex};
        case 7:
            return random_partition(random, topology);
        case 8:
            return Heal{};
        case 9:
            return Mark{"a mark"};
        default:
            return LinkChange{link, random_patch(random)};
    }
}

}  // namespace

int below(Random& random, int most) {
    return std::uniform_int_distribution<int>{0, most}(random);
}

Parts random_parts(Random& random, const Shape& shape) {
    Parts parts;
    const auto connect = [&](const std::string& a, const std::string& b) {
        // Half of them with the same properties both ways.
        const LinkProperties there = random_properties(random, shape);
        const bool same = below(random, 1) == 0;
        const std::string name = below(random, 3) == 0 ? "x" : "";
        for (const bool back : {false, true}) {
            const bool up = below(random, 99) >= shape.down_percent;
            parts.links.push_back({back ? b : a, back ? a : b,
                                   back && !same ? random_properties(random, shape) : there, name,
                                   up});
        }
    };
    std::vector<std::string> bridges;
    for (int b = 0; b < shape.bridges; ++b) {
        const std::string name = "s" + std::to_string(b);
        parts.bridges.push_back(Bridge{name, name, false, {}});
        if (!bridges.empty()) connect(name, one_of(random, bridges));
        bridges.push_back(name);
    }
    for (int i = 0; i < shape.bridge_links && shape.bridges > 1; ++i) {
        const std::string& a = one_of(random, bridges);
        const std::string& b = one_of(random, bridges);
        if (a != b) connect(a, b);
    }
    for (int h = 0; h < shape.hosts; ++h) {
        const std::string name = "h[" + std::to_string(h) + "]";
        parts.hosts.push_back(Host{name, "h", static_cast<std::uint32_t>(h), true, {}});
        const int links = below(random, 4) == 0 ? 2 + below(random, 1) : 1;
        for (int i = 0; i < links; ++i) connect(name, one_of(random, bridges));
        if (h > 0 && below(random, 5) == 0) {
            connect(name, parts.hosts[index(random, static_cast<std::size_t>(h))].name);
        }
    }
    return parts;
}

Topology build(const Parts& parts) {
    TopologyBuilder builder;
    for (const Host& host : parts.hosts) builder.add(host);
    for (const Bridge& bridge : parts.bridges) builder.add(bridge);
    for (const auto& link : parts.links) {
        builder.add_link(link.from, link.to, link.properties, link.name, {}, link.up);
    }
    auto topology = std::move(builder).build();
    if (!topology) throw std::logic_error{topology.error().message};
    return std::move(*topology);
}

void shuffle(Random& random, Parts& parts) {
    std::ranges::shuffle(parts.hosts, random);
    std::ranges::shuffle(parts.bridges, random);
    std::ranges::shuffle(parts.links, random);
}

std::vector<TimedEvent> random_timeline(Random& random, const Topology& topology, int events,
                                        int moments) {
    std::vector<TimedEvent> timeline;
    for (int i = 0; i < events; ++i) {
        const int at = below(random, moments - 1);
        TimedEvent timed;
        timed.event = random_event(random, topology);
        timed.at = ExperimentTime{at * 1s};
        timed.text = "line " + std::to_string(below(random, 20));
        if (below(random, 2) == 0) {
            timed.overlay = static_cast<std::uint32_t>(i + 1);
            timed.phase = Phase::begin;
            timeline.push_back(timed);
            timed.phase = Phase::end;
            timed.at = ExperimentTime{(at + below(random, 5)) * 1s};
        }
        timeline.push_back(timed);
    }
    return canonical(std::move(timeline));
}

void shuffle(Random& random, std::vector<TimedEvent>& timeline) {
    std::vector<std::uint32_t> numbers(timeline.size() + 1);
    for (std::uint32_t i = 0; i < numbers.size(); ++i) numbers[i] = i + 1;
    std::ranges::shuffle(numbers, random);
    for (TimedEvent& timed : timeline) {
        if (timed.phase != Phase::lasting) timed.overlay = numbers[timed.overlay];
    }
    std::ranges::shuffle(timeline, random);
}

}  // namespace pleat::testing
