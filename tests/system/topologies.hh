// The small topologies that several tests run.
#pragma once

#include <string>

namespace pleat::system_test {

// Two servers that replicate, one client that measures one second and ends the run.
inline constexpr const char* kMeasurement = R"(pleat: 1
name: small
seed: 7
duration: 20s
hosts:
  server: {replicas: 2, run: iperf3 -s, ready: {tcp: 5201}}
  client: {run: iperf3 -c server-0 -t 1 -J, main: true}
bridges: [s1]
links:
  - client -- s1: 5ms 20Mbps
  - s1 -- server: 5ms 100Mbps
events:
  - 300ms: set client--s1 10Mbps
  - 500ms: mark half-time
)";

// Three seconds of two hosts that only wait.
inline constexpr const char* kThreeSeconds = R"(pleat: 1
name: waiting
duration: 3s
hosts:
  a: {run: sleep 60}
  b: {run: sleep 60}
links:
  - a -- b: 5ms 10Mbps
events:
  - 1s: set a--b 5Mbps
)";

// One host that runs `command` and ends the run with it, and one idle one.
inline std::string one_command(const std::string& command) {
    return "pleat: 1\nname: one\nduration: 20s\nhosts:\n"
           "  a: {run: \"" +
           command +
           "\", main: true}\n"
           "  b: {}\n"
           "links:\n"
           "  - a -- b: 5ms 10Mbps\n";
}

}  // namespace pleat::system_test
