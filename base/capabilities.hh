// What this machine lets us do, by trying: for `doctor`, and for errors that say why a
// run can't start. Every probe undoes what it tried.
#pragma once

#include <string>
#include <vector>

namespace pleat {

struct Probe {
    std::string name;  // "network namespaces"
    bool ok = false;
    bool needed = true;  // false: only some features want it
    std::string text;    // what was found: "permitted", "open /dev/net/tun: Permission denied"
    std::string hint;    // what to do about it; empty when ok
};

Probe probe_kernel_release();
Probe probe_user_namespaces();      // not needed as root
Probe probe_network_namespaces();   // as root, or in a user namespace of ours
Probe probe_tun();                  // makes a TUN device in a namespace of its own
Probe probe_congestion_controls();  // what applications may choose
Probe probe_slirp4netns();          // for `shell` and @outside
Probe probe_iperf3();               // for the examples

// All of them, in the order in which to show them.
std::vector<Probe> probe_machine();

}  // namespace pleat
