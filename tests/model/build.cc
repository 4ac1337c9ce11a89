#include "tests/model/build.hh"

#include <cctype>
#include <charconv>
#include <cmath>
#include <set>
#include <sstream>
#include <stdexcept>

namespace pleat::testing {

namespace {

[[noreturn]] void refuse(std::string_view what) {
    throw std::invalid_argument{"a test's world: " + std::string{what}};
}

bool looks_like_bridge(const std::string& name) {
    return name.size() > 1 && (name[0] == 's' || name[0] == 'b') &&
           name.find_first_not_of("0123456789", 1) == std::string::npos;
}

Host host_named(const std::string& name) {
    const std::size_t bracket = name.find('[');
    if (bracket == std::string::npos) return Host{name, name, 0, false, {}};
    const auto replica = static_cast<std::uint32_t>(std::stoul(name.substr(bracket + 1)));
    return Host{name, name.substr(0, bracket), replica, true, {}};
}

struct Number {
    double value = 0.0;
    std::string_view unit;
};

Number number(std::string_view text) {
    Number result;
    const auto [end, status] =
        std::from_chars(text.data(), text.data() + text.size(), result.value);
    if (status != std::errc{}) refuse(text);
    result.unit = text.substr(static_cast<std::size_t>(end - text.data()));
    return result;
}

bool is_duration(std::string_view unit) {
    return unit == "ns" || unit == "us" || unit == "ms" || unit == "s";
}

Duration duration(std::string_view text) {
    const Number n = number(text);
    if (!is_duration(n.unit)) refuse(text);
    const double scale = n.unit == "ns" ? 1 : n.unit == "us" ? 1e3 : n.unit == "ms" ? 1e6 : 1e9;
    return Duration{std::llround(n.value * scale)};
}

Bandwidth bandwidth(std::string_view text) {
    const Number n = number(text);
    const double scale = n.unit == "bps"    ? 1
                         : n.unit == "kbps" ? 1e3
                         : n.unit == "Mbps" ? 1e6
                         : n.unit == "Gbps" ? 1e9
                                            : 0;
    if (scale == 0) refuse(text);
    return Bandwidth::bits_per_second(std::llround(n.value * scale));
}

Probability probability(std::string_view text) {
    const Number n = number(text);
    return Probability::of(n.unit == "%" ? n.value / 100 : n.value);
}

QueueLimit queue(std::string_view text) {
    if (text == "bdp") return {};
    const Number n = number(text);
    if (n.unit == "p") return {QueueLimit::Kind::packets, static_cast<std::int64_t>(n.value)};
    if (n.unit == "B") return {QueueLimit::Kind::bytes, static_cast<std::int64_t>(n.value)};
    return {QueueLimit::Kind::time, duration(text).count()};
}

struct Tokens {
    LinkProperties properties;
    std::string name;
    bool up = true;
};

void add_token(Tokens& tokens, const std::string& token) {
    LinkProperties& p = tokens.properties;
    const std::size_t equals = token.find('=');
    if (equals != std::string::npos) {
        const std::string key = token.substr(0, equals);
        const std::string value = token.substr(equals + 1);
        if (key == "name") {
            tokens.name = value;
        } else if (key == "loss") {
            p.loss = probability(value);
        } else if (key == "queue") {
            p.queue = queue(value);
        } else if (key == "overhead") {
            p.overhead = Overhead{std::stoi(value)};
        } else {
            refuse(token);
        }
        return;
    }
    if (token == "down") {
        tokens.up = false;
        return;
    }
    if (token == "unlimited") {
        p.bandwidth = Bandwidth::unlimited();
        return;
    }
    const std::size_t tilde = token.find('~');
    if (tilde != std::string::npos) {
        p.latency = duration(token.substr(0, tilde));
        p.jitter = duration(token.substr(tilde + 1));
    } else if (is_duration(number(token).unit)) {
        p.latency = duration(token);
    } else {
        p.bandwidth = bandwidth(token);
    }
}

Tokens parse_tokens(std::string_view text) {
    Tokens tokens;
    std::istringstream words{std::string{text}};
    for (std::string word; words >> word;) add_token(tokens, word);
    return tokens;
}

template <typename T>
T found(const std::optional<T>& it, std::string_view name) {
    if (!it) refuse(name);
    return *it;
}

}  // namespace

Topology topology(const std::vector<std::string>& lines) {
    std::set<std::string> hosts;
    std::set<std::string> bridges;
    TopologyBuilder builder;
    std::vector<std::pair<std::string, std::string>> ends;
    for (const std::string& line : lines) {
        std::istringstream words{line};
        std::string from;
        std::string arrow;
        std::string to;
        words >> from >> arrow;
        if (from == "host" || from == "bridge") {
            (from == "host" ? hosts : bridges).insert(arrow);
            continue;
        }
        words >> to;
        std::string rest;
        std::getline(words, rest);
        if (!to.empty() && to.back() == ':') to.pop_back();
        if (to.empty() || (arrow != "--" && arrow != "->")) refuse(line);
        const Tokens tokens = parse_tokens(rest);
        builder.add_link(from, to, tokens.properties, tokens.name, {}, tokens.up);
        if (arrow == "--") {
            builder.add_link(to, from, tokens.properties, tokens.name, {}, tokens.up);
        }
        ends.emplace_back(from, to);
    }
    for (const auto& [from, to] : ends) {
        for (const std::string& name : {from, to}) {
            if (hosts.contains(name) || bridges.contains(name)) continue;
            (looks_like_bridge(name) ? bridges : hosts).insert(name);
        }
    }
    for (const std::string& name : hosts) builder.add(host_named(name));
    for (const std::string& name : bridges) builder.add(Bridge{name, name, false, {}});
    auto built = std::move(builder).build();
    if (!built) refuse(built.error().message);
    return std::move(*built);
}

LinkProperties properties(std::string_view tokens) {
    return parse_tokens(tokens).properties;
}

HostId host(const Topology& topology, std::string_view name) {
    return found(topology.find_host(name), name);
}

VertexId vertex(const Topology& topology, std::string_view name) {
    if (const auto host = topology.find_host(name)) return Topology::vertex(*host);
    return topology.vertex(found(topology.find_bridge(name), name));
}

LinkId link(const Topology& topology, std::string_view label) {
    std::optional<LinkId> match;
    for (std::uint32_t id = 0; id < topology.links().size(); ++id) {
        if (topology.label(LinkId{id}) != label) continue;
        if (match) refuse("several links " + std::string{label});
        match = LinkId{id};
    }
    return found(match, label);
}

Scenario scenario(Topology topology, std::vector<TimedEvent> timeline) {
    Scenario scenario;
    scenario.name = "test";
    scenario.applications.resize(topology.hosts().size());
    scenario.topology = std::move(topology);
    scenario.timeline = canonical(std::move(timeline));
    return scenario;
}

TimedEvent event(Duration at, Event what, std::string text) {
    return TimedEvent{ExperimentTime{at}, std::move(what), Phase::lasting, 0, std::move(text)};
}

std::vector<TimedEvent> overlay(std::uint32_t number, Duration begin, Duration end,
                                const Event& what, const std::string& text) {
    return {TimedEvent{ExperimentTime{begin}, what, Phase::begin, number, text},
            TimedEvent{ExperimentTime{end}, what, Phase::end, number, text}};
}

}  // namespace pleat::testing
