// The planes that there are, by kind: only this file knows them all.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/file_descriptor.hh"
#include "model/plane_choice.hh"
#include "node/dataplane/data_plane.hh"

namespace pleat {

// What this machine lacks for the plane; empty: it works. Found by doing it, in namespaces
// that go again.
std::string missing_for(PlaneKind plane);

// Of which plane this is what it leaves(): with nothing, that of planes that leave nothing, tun.
PlaneKind plane_that_left(const std::map<std::string, FileDescriptor>& left);

// Throws Failure when the kernel can't or won't.
std::unique_ptr<DataPlane> open_plane(PlaneKind plane, PlaneContext context);

// What this machine lacks for kernel planes that reach hosts of other machines; empty: it works.
std::string missing_for_machines();

// For `pleat doctor`, one line a plane, best first: "edt TAB works", or "edt TAB lacks TAB
// what", in one line whatever it is. At last such a line of "machines": kernel planes over
// several.
std::string plane_probe_lines();

}  // namespace pleat
