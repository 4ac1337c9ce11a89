// The `edt` plane: a BPF program at the egress of each host's interface decides, packet by
// packet, what becomes of it and when it is delivered; fq holds it until then. What is here
// writes the program's tables and reads its counters. See docs/design/edt.md.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "node/dataplane/data_plane.hh"

namespace pleat {

// In PlaneContext::left and DataPlane::leaves().
constexpr const char* kEdtPins = "plane edt";

struct EdtPlaneOptions {
    // A bpffs (open_private_bpffs()) for programs and tables, so that another process can
    // take over. Whoever holds the descriptor keeps them, and shaping goes on.
    FileDescriptor pins;
    // Take over what an earlier plane of the same run left there. Hosts are to be added
    // again: what is attached to their interfaces stays, and their counters go on.
    bool adopt = false;
    // At its end it leaves everything in force, as if its process had been killed.
    bool leave = false;
};

// Throws Failure when the kernel can't or won't; see missing_for_edt().
std::unique_ptr<DataPlane> open_edt_plane(PlaneContext context, EdtPlaneOptions options = {});

// What this machine lacks for the plane: nothing when it is empty. Found by doing it: the
// program is loaded and attached to an interface in a network namespace of its own.
std::string missing_for_edt();

}  // namespace pleat
