// The data plane of a run, by what it asks for and what this machine has (model/plane_choice).
#pragma once

#include <string>
#include <vector>

#include "base/error.hh"
#include "model/plane_choice.hh"
#include "wire/messages.hh"

namespace pleat {

// The scenario asks for what the data plane can't do.
class Unsuitable : public Failure {
  public:
    using Failure::Failure;
};

// What a run on several machines asks of its plane. All machines of a run know the same of each
// other's ends, so that all choose the tunnel or all choose VXLAN; which of the kernel planes is
// each machine's own affair.
struct MachinesOfRun {
    const std::vector<Peer>& peers;
    bool has_vxlan = false;  // this machine's end
    bool encrypt = false;
    bool attached = false;  // hosts are the machines themselves
};

// What not all planes can do: a tunnel, where not all have VXLAN; a machine's own interface.
std::vector<PlaneWish> plane_wishes(const MachinesOfRun& machines);

// `forced`: a plane's name; empty: the best. Throws MissingFeature when this machine has none,
// Unsuitable when none can do what is asked for, Failure when there is no such plane.
PlaneKind chosen_plane(const MachinesOfRun& machines, const std::string& forced);

}  // namespace pleat
