// What the log of a host says that runs `iperf3 -J`.
#pragma once

#include <string>

namespace pleat::system_test {

// Mbit/s on average over its whole seconds that begin at `from_s` or later; 0 when it has none.
// What follows iperf3's output in the log does not matter.
double settled_mbps(const std::string& log, double from_s);

}  // namespace pleat::system_test
