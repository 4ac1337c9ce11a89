#include "tests/system/cluster_world.hh"

#include <algorithm>
#include <csignal>
#include <fstream>
#include <iostream>
#include <iterator>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "base/error.hh"
#include "base/joined.hh"

namespace pleat::system_test {

using namespace std::chrono_literals;
using nlohmann::json;

namespace {

void end(Program& program) {
    static_cast<void>(program.signal(SIGTERM));
    try {
        static_cast<void>(program.finish(10s));
    } catch (const Failure&) {
        static_cast<void>(program.signal(SIGKILL));
    }
}

}  // namespace

Cluster::Cluster(std::size_t machines, const Road& road, std::size_t strangers) {
    if (is_far(road)) far.emplace(road);
    ip({"netns", "add", "underlay"});
    ip({"-n", "underlay", "link", "add", "name", "bridge0", "type", "bridge"});
    ip({"-n", "underlay", "link", "set", "dev", "bridge0", "up"});
    const std::size_t last = std::max<std::size_t>(machines, 2) + strangers;
    for (std::size_t i = 0; i <= last; ++i) add_namespace(i, road);
    if (far) far->start();
    start_controller();
    nodes.resize(machines);
    for (std::size_t i = 1; i <= machines; ++i) nodes[i - 1].emplace(node_command(i, token()));
    for (std::size_t i = 1; i <= machines; ++i) REQUIRE(connected(i));
}

Cluster::~Cluster() {
    for (auto& node : nodes) {
        if (node) end(*node);
    }
    if (controller) end(*controller);
}

void Cluster::start_controller() {
    controller.emplace(in(0, {our_program("pleat-controller"), "--state", place.path("ctl"),
                              "--listen", "tcp://10.99.0.10:7400"}));
    REQUIRE(eventually(10s, [this] { return pleat({"machines", "ls"}).code == 0; }));
}

std::string Cluster::token() const {
    std::string text = pleat({"machines", "token"}).out;
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
}

Command Cluster::node_command(std::size_t i, const std::string& token) const {
    std::vector<std::string> words{our_program("pleat-node"), "--name", fmt::format("m{}", i),
                                   "--state", place.path(fmt::format("m{}", i))};
    if (!token.empty()) words.insert(words.end(), {"--join", token});
    const auto before = before_node.find(i);
    if (before != before_node.end()) {
        words.insert(words.begin(), before->second.begin(), before->second.end());
    }
    return in(i, words);
}

void Cluster::join(std::size_t i) {
    if (nodes.size() < i) nodes.resize(i);
    nodes[i - 1].emplace(node_command(i, token()));
    REQUIRE(connected(i));
}

bool Cluster::connected(std::size_t i) const {
    return eventually(15s, [&] {
        const json machines = json::parse(pleat({"machines", "ls", "--json"}).out, nullptr, false);
        if (machines.is_discarded()) return false;
        return std::ranges::any_of(machines.at("machines"), [&](const json& machine) {
            return machine.at("name") == fmt::format("m{}", i) && machine.at("connected") == true;
        });
    });
}

Ended Cluster::pleat(std::vector<std::string> arguments, Duration patience) const {
    const auto end = std::ranges::find(arguments, "--");  // the rest is a command's
    arguments.insert(end, {"--controller", endpoint()});
    return place.run(std::move(arguments), patience);
}

std::string Cluster::submit(const std::string& file, const std::vector<std::string>& flags) const {
    std::vector<std::string> words{"submit", file, "--start"};
    words.insert(words.end(), flags.begin(), flags.end());
    const Ended submitted = pleat(words);
    INFO(submitted.err);
    REQUIRE(submitted.code == 0);
    return submitted.out.substr(0, submitted.out.find('\n'));
}

std::string Cluster::log(const std::string& run, const std::string& host) const {
    std::ifstream file{place.path("ctl/runs/" + run + "/logs/" + host + ".log")};
    return {std::istreambuf_iterator<char>{file}, {}};
}

Cluster::Namespaces::~Namespaces() {
    for (const std::string& name : names) {
        static_cast<void>(run_program(place.command({"ip", "netns", "del", name})));
    }
}

void Cluster::ip(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "ip");
    const Ended ended = run_program(place.command(arguments));
    INFO(fmt::format("{}: {}", joined(arguments, " "), ended.err));
    REQUIRE(ended.code == 0);
    if (arguments[1] == "netns") namespaces.names.push_back(arguments[3]);
}

void Cluster::add_namespace(std::size_t i, const Road& road) {
    const std::string name = fmt::format("n{}", i);
    const std::string port = fmt::format("port{}", i);
    ip({"netns", "add", name});
    if (far) {
        far->add(name, "eth0", last_byte(i));
    } else {
        ip({"-n", "underlay", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns",
            name});
        ip({"-n", "underlay", "link", "set", port, "master", "bridge0", "up"});
    }
    ip({"-n", name, "addr", "add", fmt::format("10.99.0.{}/24", last_byte(i)), "dev", "eth0"});
    if (road.mtu) ip({"-n", name, "link", "set", "eth0", "mtu", std::to_string(*road.mtu)});
    ip({"-n", name, "link", "set", "eth0", "up"});
    ip({"-n", name, "link", "set", "lo", "up"});
}

Command Cluster::in(std::size_t i, std::vector<std::string> words) const {
    words.insert(words.begin(), {"ip", "netns", "exec", fmt::format("n{}", i)});
    return place.command(std::move(words));
}

bool can_make_machines() {
    return is_root_or_skips("machines as network namespaces") && can_run_or_skips();
}

void timed(const std::string& part, const std::function<void()>& run) {
    const Instant began = monotonic_now();
    run();
    std::cout << part << ": " << std::chrono::duration<double>{monotonic_now() - began}.count()
              << " s\n";
}

std::string three_pairs(const std::string& duration, const std::string& client_options) {
    std::string hosts;
    std::string links = "  - s1 -- s2: 10ms 60Mbps\n";
    for (const char pair : {'a', 'b', 'c'}) {
        hosts += fmt::format(
            "  {0}-client: {{run: \"iperf3 -c {0}-server {1}\", after: [{0}-server]}}\n"
            "  {0}-server: {{run: \"iperf3 -s\", ready: {{tcp: 5201}}}}\n",
            pair, client_options);
        links += fmt::format(
            "  - {0}-client -- s1: 5ms 100Mbps\n  - s2 -- {0}-server: 5ms 100Mbps\n", pair);
    }
    return fmt::format(
        "pleat: 1\nname: pairs\nduration: {}\nhosts:\n{}bridges: [s1, s2]\nlinks:\n{}", duration,
        hosts, links);
}

}  // namespace pleat::system_test
