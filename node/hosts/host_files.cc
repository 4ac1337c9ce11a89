#include "node/hosts/host_files.hh"

namespace pleat {

std::string host_name_of(const Host& host) {
    std::string name =
        host.replicated ? host.group + "-" + std::to_string(host.replica) : host.name;
    constexpr std::size_t kLongestHostName = 63;
    name.resize(std::min(name.size(), kLongestHostName));
    return name;
}

std::string hosts_file(const Topology& topology, const AddressPlan& addresses) {
    std::string text =
        "127.0.0.1 localhost\n"
        "::1 localhost ip6-localhost ip6-loopback\n";
    std::uint32_t next = 0;
    for (const Host& host : topology.hosts()) {
        const HostId id{next++};
        std::string names;
        if (host.replicated) {
            names = " " + host.group + "-" + std::to_string(host.replica) + " " + host.group;
        } else {
            names = " " + host.name;
        }
        names += "\n";
        text += ipv4_text(addresses.ipv4(id)) + names;
        text += ipv6_text(addresses.ipv6(id)) + names;
    }
    return text;
}

std::string resolver_file(const std::optional<std::string>& name_server) {
    // A lone dot: no domain of the machine's is ever added to a name.
    std::string text = "search .\n";
    if (name_server) {
        text += "nameserver " + *name_server + "\n";
    } else {
        text +=
            "# The names of this network are in /etc/hosts; there is no name server.\n"
            "options timeout:1 attempts:1\n";
    }
    return text;
}

std::string address_preference_file() {
    return "precedence ::ffff:0:0/96 100\n";
}

}  // namespace pleat
