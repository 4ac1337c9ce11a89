#include "node/dataplane/kernel/spared_ports.hh"

#include <cerrno>
#include <string>
#include <system_error>

#include <arpa/inet.h>
#include <bpf/bpf.h>

#include "base/error.hh"

namespace pleat {

void spare_ports(const FileDescriptor& map, const std::vector<std::uint16_t>& ports) {
    for (const std::uint16_t port : ports) {
        const std::uint16_t key = htons(port);
        const std::uint8_t value = 1;
        if (bpf_map_update_elem(map.value(), &key, &value, BPF_ANY) == 0) continue;
        throw Failure{"cannot spare port " + std::to_string(port) + ": " +
                      std::system_category().message(errno)};
    }
}

}  // namespace pleat
