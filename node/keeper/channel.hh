// Packets with descriptors over a Unix SOCK_SEQPACKET socket: the only two system calls
// of the protocol.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/file_descriptor.hh"

namespace pleat::keeper {

// Two ends that are connected, non-blocking and closed by exec. Throws.
std::pair<FileDescriptor, FileDescriptor> make_channel();

enum class SendResult { sent, full, lost };

// `descriptor` below 0: none.
SendResult send_packet(int socket, std::string_view packet, int descriptor = -1);

struct Received {
    enum class What { packet, nothing, lost } what = What::nothing;
    std::string packet;         // empty when it was too long
    FileDescriptor descriptor;  // what came with it; of several the first
};

Received receive_packet(int socket);

}  // namespace pleat::keeper
