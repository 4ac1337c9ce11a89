#include "cli/host_names.hh"

#include <fmt/format.h>

#include "readers/spelling.hh"

namespace pleat {

std::vector<HostId> hosts_named(const Topology& topology, std::string_view name) {
    const std::string_view group = name.ends_with("[*]") ? name.substr(0, name.size() - 3) : name;
    std::vector<HostId> result;
    for (std::uint32_t i = 0; i < topology.hosts().size(); ++i) {
        const Host& host = topology.hosts()[i];
        if (name.empty() || host.name == name || host.group == group) result.push_back(HostId{i});
    }
    return result;
}

std::string no_such_host(const Topology& topology, std::string_view name) {
    if (topology.find_bridge(name)) {
        return fmt::format("'{}' is a bridge; paths lead from host to host", name);
    }
    NearestWord nearest{name};
    for (const Host& host : topology.hosts()) {
        nearest.consider(host.name);
        nearest.consider(host.group);
    }
    if (nearest.found().empty()) return fmt::format("no host '{}'", name);
    return fmt::format("no host '{}'; did you mean '{}'?", name, nearest.found());
}

}  // namespace pleat
