// What the tests of hosts stand on: a fleet in a directory of its own, a loop that turns
// until something has been reported, and looks at the processes behind it.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "base/run_ledger.hh"
#include "model/scenario.hh"
#include "node/hosts/host_fleet.hh"
#include "tests/hosts/scratch_directory.hh"

namespace pleat {

// {"server", "client[0]"}: hosts of these names around one bridge, with these applications.
Scenario scenario_of(const std::vector<std::pair<std::string, Application>>& hosts);

// An application of one shell command.
Application shell(const std::string& command);

// False, with a warning, on a machine that lets us make no hosts. Otherwise we are root,
// of the machine or of a user namespace.
bool can_make_hosts();

class FleetWorld {
  public:
    explicit FleetWorld(
        Scenario scenario, const std::function<void(FleetOptions&)>& change = [](FleetOptions&) {});

    // Makes all hosts.
    void create();

    // Turns the loop until it holds; false after 10 s.
    bool turn_until(const std::function<bool()>& condition);

    // The first report of this kind about the host, once it is there.
    template <typename Report>
    std::optional<Report> wait_for(HostId host) {
        std::optional<Report> found;
        turn_until([&] {
            for (const HostReport& report : reports) {
                const auto* const one = std::get_if<Report>(&report);
                if (one != nullptr && one->host == host && !found) found = *one;
            }
            return found.has_value();
        });
        return found;
    }

    template <typename Report>
    std::size_t count() const {
        std::size_t n = 0;
        for (const HostReport& report : reports) n += std::holds_alternative<Report>(report);
        return n;
    }

    HostId host(const std::string& name) const { return *scenario.topology.find_host(name); }

    // The TUN descriptor of the host created first, second, …
    int tun(std::size_t index) const {
        return std::get<TunDevice>(ports.at(index).attachment).descriptor.value();
    }

    std::string log(const std::string& name) const;

    // From the ledger; 0: none.
    pid_t keeper_of(const std::string& name) const;

    ScratchDirectory directory;
    Scenario scenario;
    AddressPlan addresses;
    FleetOptions options;
    boost::asio::io_context loop;
    std::vector<HostReport> reports;
    std::vector<HostPort> ports;
    std::optional<HostFleet> fleet;
};

// The first child of a process, as its host sees it; 0: none.
pid_t child_of(pid_t pid);
char state_of(pid_t pid);  // as in /proc/PID/stat; '-': gone, or nobody has reaped it yet

}  // namespace pleat
