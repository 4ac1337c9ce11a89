#include "bench/scale_free.hh"

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <random>
#include <stdexcept>

namespace pleat::bench {

using namespace std::chrono_literals;

namespace {

using Random = std::mt19937_64;

std::uint32_t below(Random& random, std::size_t size) {
    return std::uniform_int_distribution<std::uint32_t>{
        0, static_cast<std::uint32_t>(size - 1)}(random);
}

std::string attribute(const std::string& line, const std::string& name) {
    const std::string opening = ' ' + name + "=\"";
    const std::size_t at = line.find(opening);
    if (at == std::string::npos) return {};
    const std::size_t begin = at + opening.size();
    return line.substr(begin, line.find('"', begin) - begin);
}

Duration milliseconds(const std::string& text) {
    return Duration{std::llround(std::stod(text) * 1e6)};
}

Bandwidth rate(const std::string& text) {
    const std::int64_t scale = text.find("Gbps") != std::string::npos ? 1'000'000'000 : 1'000'000;
    return Bandwidth::bits_per_second(
        static_cast<std::int64_t>(std::stod(text) * static_cast<double>(scale)));
}

Host host(const std::string& name) {
    return Host{name, name, 0, false, {}};
}

Scenario scenario_of(TopologyBuilder builder) {
    Result<Topology> topology = std::move(builder).build();
    if (!topology) throw std::runtime_error{topology.error().message};
    Scenario scenario;
    scenario.topology = std::move(*topology);
    scenario.applications.resize(scenario.topology.hosts().size());
    return scenario;
}

// Links both ways.
void connect(TopologyBuilder& builder, const std::string& a, const std::string& b, Duration latency,
             Bandwidth bandwidth) {
    LinkProperties p;
    p.latency = latency;
    p.bandwidth = bandwidth;
    builder.add_link(a, b, p);
    builder.add_link(b, a, p);
}

}  // namespace

std::optional<Scenario> read_simple_kollaps(const std::filesystem::path& file) {
    std::ifstream in{file};
    if (!in) return std::nullopt;
    TopologyBuilder builder;
    for (std::string line; std::getline(in, line);) {
        if (line.find("<bridge ") != std::string::npos) {
            const std::string name = attribute(line, "name");
            builder.add(Bridge{name, name, false, {}});
        } else if (line.find("<service ") != std::string::npos) {
            if (attribute(line, "supervisor").empty()) builder.add(host(attribute(line, "name")));
        } else if (line.find("<link ") != std::string::npos) {
            LinkProperties p;
            p.latency = milliseconds(attribute(line, "latency"));
            p.bandwidth = rate(attribute(line, "upload"));
            builder.add_link(attribute(line, "origin"), attribute(line, "dest"), p);
            p.bandwidth = rate(attribute(line, "download"));
            builder.add_link(attribute(line, "dest"), attribute(line, "origin"), p);
        }
    }
    return scenario_of(std::move(builder));
}

Scenario scale_free(int hosts, int bridges, int links, std::uint64_t seed) {
    Random random{seed};
    TopologyBuilder builder;
    const auto bridge = [](std::uint32_t i) { return "b" + std::to_string(i); };
    std::vector<std::uint32_t> ends;  // each bridge as often as it has links
    for (std::uint32_t b = 0; b < static_cast<std::uint32_t>(bridges); ++b) {
        builder.add(Bridge{bridge(b), bridge(b), false, {}});
        for (int i = 0; i < links && b > 0; ++i) {
            const std::uint32_t other = ends.empty() ? 0 : ends[below(random, ends.size())];
            if (other == b) continue;
            connect(builder, bridge(b), bridge(other), (5 + below(random, 96)) * 100us,
                    Bandwidth::bits_per_second(1'000'000'000));
            ends.push_back(b);
            ends.push_back(other);
        }
    }
    for (int h = 0; h < hosts; ++h) {
        const std::string name = "s" + std::to_string(h);
        builder.add(host(name));
        connect(builder, name, bridge(below(random, static_cast<std::size_t>(bridges))),
                (1 + below(random, 10)) * 100us, Bandwidth::bits_per_second(100'000'000));
    }
    return scenario_of(std::move(builder));
}

Scenario thesis_4000() {
    const char* const data = std::getenv("PLEAT_DATA");
    const std::filesystem::path root{data == nullptr ? "../shared/data" : data};
    const std::filesystem::path file = root / "thesis" / "scale-free-4000.xml";
    if (auto scenario = read_simple_kollaps(file)) return std::move(*scenario);
    std::cerr << "cannot read " << file << ": a generated topology of the same counts instead\n";
    return scale_free(2668, 1332, 1, 8);
}

std::vector<TimedEvent> random_events(const Topology& topology, int count, std::uint64_t seed) {
    Random random{seed};
    std::vector<LinkId> core;
    for (std::uint32_t id = 0; id < topology.links().size(); ++id) {
        const Link& link = topology.links()[id];
        if (!topology.is_host(link.from) && !topology.is_host(link.to)) core.push_back(LinkId{id});
    }
    std::vector<Event> to_undo;
    std::vector<TimedEvent> timeline;
    for (int i = 0; i < count; ++i) {
        const LinkId link = core[below(random, core.size())];
        LinkPatch patch;
        Event event;
        switch (below(random, 8)) {
            case 0:
            case 1:
                patch.latency = (5 + below(random, 96)) * 100us;
                event = LinkChange{link, patch};
                break;
            case 2:
                patch.bandwidth = Bandwidth::bits_per_second(1'000'000 * (1 + below(random, 1000)));
                event = LinkChange{link, patch};
                break;
            case 3:
                event = LinkDown{link};
                to_undo.emplace_back(LinkUp{link});
                break;
            case 4: {
                const VertexId bridge =
                    topology.vertex(BridgeId{below(random, topology.bridges().size())});
                event = VertexDown{bridge};
                to_undo.emplace_back(VertexUp{bridge});
                break;
            }
            default:
                if (to_undo.empty()) {
                    event = LinkDown{link};
                    to_undo.emplace_back(LinkUp{link});
                } else {
                    const std::uint32_t which = below(random, to_undo.size());
                    event = to_undo[which];
                    to_undo.erase(to_undo.begin() + which);
                }
        }
        timeline.push_back(TimedEvent{ExperimentTime{(i + 1) * 1s}, std::move(event),
                                      Phase::lasting, 0, "event " + std::to_string(i)});
    }
    return canonical(std::move(timeline));
}

}  // namespace pleat::bench
