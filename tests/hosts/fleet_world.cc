#include "tests/hosts/fleet_world.hh"

#include <cstdlib>

#include <catch2/catch.hpp>
#include <unistd.h>

#include "base/capabilities.hh"
#include "base/files.hh"
#include "base/ledger_file.hh"
#include "base/namespaces.hh"
#include "base/process.hh"

namespace pleat {

Scenario scenario_of(const std::vector<std::pair<std::string, Application>>& hosts) {
    TopologyBuilder builder;
    Bridge bridge;
    bridge.name = "s1";
    bridge.label = "s1";
    builder.add(std::move(bridge));
    for (const auto& [name, application] : hosts) {
        Host host;
        host.name = name;
        host.group = name;
        if (const std::size_t bracket = name.find('['); bracket != std::string::npos) {
            host.group = name.substr(0, bracket);
            host.replica = static_cast<std::uint32_t>(std::stoul(name.substr(bracket + 1)));
            host.replicated = true;
        }
        builder.add(std::move(host));
        builder.add_link(name, "s1", LinkProperties{});
    }
    Scenario scenario;
    auto topology = std::move(builder).build();
    PLEAT_ASSERT(topology);
    scenario.topology = std::move(*topology);
    scenario.applications.resize(hosts.size());
    for (const auto& [name, application] : hosts) {
        scenario.applications[scenario.topology.find_host(name)->value] = application;
    }
    return scenario;
}

Application shell(const std::string& command) {
    Application application;
    application.arguments = {"sh", "-c", command};
    return application;
}

bool can_make_hosts() {
    if (::geteuid() != 0 && probe_user_namespaces().ok) become_root_of_user_namespace();
    const Probe tun = probe_tun();
    if (!tun.ok) WARN("SKIPPED, this machine can't make hosts: " << tun.text);
    return tun.ok;
}

FleetWorld::FleetWorld(Scenario world, const std::function<void(FleetOptions&)>& change)
    : scenario{std::move(world)} {
    options.run = "r-test";
    options.run_directory = directory / "out";
    options.runtime_directory = directory / "run";
    options.keeper_program = find_sibling_program("pleat-keeper").value_or("pleat-keeper");
    change(options);
    std::filesystem::create_directories(options.runtime_directory);
    fleet.emplace(loop, options, [this](const HostReport& report) { reports.push_back(report); });
}

void FleetWorld::create() {
    std::vector<HostId> all;
    for (std::uint32_t i = 0; i < scenario.topology.hosts().size(); ++i) all.push_back(HostId{i});
    ports = fleet->create(scenario, addresses, all);
}

bool FleetWorld::turn_until(const std::function<bool()>& condition) {
    const Instant deadline = monotonic_now() + std::chrono::seconds{10};
    while (!condition()) {
        if (monotonic_now() > deadline) return false;
        loop.restart();
        loop.run_one_for(std::chrono::milliseconds{10});
    }
    return true;
}

std::string FleetWorld::log(const std::string& name) const {
    return read_file(options.run_directory + "/logs/" + name + ".log").value_or("(no log)");
}

pid_t FleetWorld::keeper_of(const std::string& name) const {
    const auto content = ledger::read(options.runtime_directory);
    if (!content) return 0;
    for (const ledger::Process& process : content->processes) {
        if (process.role == "keeper " + name) return process.pid;
    }
    return 0;
}

pid_t child_of(pid_t pid) {
    const std::string text = std::to_string(pid);
    const auto children = read_file("/proc/" + text + "/task/" + text + "/children");
    return children ? std::atoi(children->c_str()) : 0;  // NOLINT(cert-err34-c): 0 is "none"
}

char state_of(pid_t pid) {
    const auto stat = read_file("/proc/" + std::to_string(pid) + "/stat");
    if (!stat || stat->rfind(')') == std::string::npos) return '-';
    const char state = (*stat)[stat->rfind(')') + 2];
    return state == 'Z' ? '-' : state;
}

}  // namespace pleat
