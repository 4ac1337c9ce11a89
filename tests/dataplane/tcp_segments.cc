#include "tests/dataplane/tcp_segments.hh"

#include <linux/in.h>
#include <linux/tcp.h>
#include <sys/socket.h>

#include "base/error.hh"

namespace pleat::testing {

std::uint32_t data_segments_in(int socket) {
    tcp_info info{};
    socklen_t size = sizeof info;
    check("ask for TCP_INFO", ::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size));
    return info.tcpi_data_segs_in;
}

}  // namespace pleat::testing
