// Descriptors that one process gives another over a Unix socket.
#pragma once

#include <span>
#include <vector>

#include "base/file_descriptor.hh"

namespace pleat {

// Where in a run's runtime directory whoever started the run may listen (SOCK_SEQPACKET) to
// give the main application its standard input, output and error: three descriptors, to the
// first who connects. With no such socket they are nothing and the host's log.
constexpr const char* kCommandStreams = "streams.sock";

// At most eight, in one message. False when the other end is gone.
bool send_descriptors(int socket, std::span<const int> descriptors);

// Those of one message; waits for it. None when there is no such message.
std::vector<FileDescriptor> receive_descriptors(int socket);

}  // namespace pleat
