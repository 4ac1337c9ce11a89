// What the hosts of a run have written (logs/HOST.log), for a controller that can't read it here.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "wire/messages.hh"

namespace pleat {

// Of a host's output at most this much is sent at the end of a run: its end.
inline constexpr std::uint64_t kMostOutputBytes = std::uint64_t{64} << 20;

// One message for each piece of at most 1 MB, at least one for each host.
void send_outputs(const std::string& run_directory, const std::vector<HostResult>& hosts,
                  const std::function<void(const ControlMessage&)>& send,
                  std::uint64_t most = kMostOutputBytes);

}  // namespace pleat
