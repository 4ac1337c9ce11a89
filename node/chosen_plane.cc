#include "node/chosen_plane.hh"

#include <variant>

#include "base/log.hh"
#include "node/dataplane/open_plane.hh"

namespace pleat {

std::vector<PlaneWish> plane_wishes(const MachinesOfRun& machines) {
    std::vector<PlaneWish> wishes;
    if (machines.attached) {
        wishes.push_back({PlaneFeature::machine_interface, "attach: machine:NAME"});
        // Packets go over the machines' own network, without a way of ours.
        if (machines.encrypt) {
            wishes.push_back({PlaneFeature::tunnel, "encryption between machines"});
        }
        return wishes;
    }
    if (machines.peers.empty()) return wishes;
    if (machines.encrypt) wishes.push_back({PlaneFeature::tunnel, "encryption between machines"});
    if (!machines.has_vxlan) {
        wishes.push_back({PlaneFeature::tunnel, "a way to other machines (this one has no VXLAN)"});
        return wishes;
    }
    for (const Peer& peer : machines.peers) {
        if (peer.vxlan.port != 0) continue;
        wishes.push_back(
            {PlaneFeature::tunnel, "a way to machine " + peer.name + " (it has no VXLAN)"});
    }
    return wishes;
}

PlaneKind chosen_plane(const MachinesOfRun& machines, const std::string& forced) {
    const auto kind = plane_named(forced);
    if (!forced.empty() && !kind) throw Failure{"there is no data plane '" + forced + "'"};
    const std::vector<PlaneWish> wishes = plane_wishes(machines);
    const auto choice = choose_plane(wishes, kind, missing_for);
    if (const auto* const refused = std::get_if<PlaneRefusal>(&choice)) {
        // What the machines lack is not the scenario's affair.
        if (refused->for_wishes && machines.encrypt) throw Unsuitable{refused->message};
        throw MissingFeature{refused->message};
    }
    const auto& chosen = std::get<PlaneChoice>(choice);
    log::info("data plane chosen plane={} reason=\"{}\"", name_of(chosen.plane), chosen.reason);
    return chosen.plane;
}

}  // namespace pleat
