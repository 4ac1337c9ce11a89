// The `netem` plane: each host's interface has an HTB with a class for each destination,
// and a netem with a queue in each class. Needs HTB and netem of the kernel; BPF when
// there is, else hashed u32 filters. (The thesis' way: "Scalable Network Emulation", 3.1.6.)
#pragma once

#include <memory>
#include <string>

#include "node/dataplane/data_plane.hh"

namespace pleat {

struct NetemOptions {
    bool pass_unknown = false;  // what goes to no host passes, unshaped; else it is dropped
    bool without_bpf = false;
    // At its end it leaves everything in force, as if its process had been killed.
    bool leave = false;
};

// In PlaneContext::left and DataPlane::leaves(): what it knows of classes, and the classifier.
constexpr const char* kNetemMemory = "plane netem";
constexpr const char* kNetemPins = "plane netem pins";

// Throws Failure when the kernel lacks what it needs.
std::unique_ptr<DataPlane> open_netem_plane(PlaneContext context, NetemOptions options = {});

// Makes HTB, netem, a queue and filters in a network namespace of a child process, and
// sends packets through them. Empty: this kernel has all that the plane needs; else what
// is missing. Without privileges in a user namespace.
std::string missing_for_netem();

}  // namespace pleat
