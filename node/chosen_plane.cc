#include "node/chosen_plane.hh"

#include <variant>

#include <spdlog/spdlog.h>

#include "node/dataplane/open_plane.hh"

namespace pleat {

PlaneKind chosen_plane(const std::vector<Peer>& peers, const std::string& forced) {
    const auto kind = plane_named(forced);
    if (!forced.empty() && !kind) throw Failure{"there is no data plane '" + forced + "'"};
    std::vector<PlaneWish> wishes;
    wishes.reserve(peers.size());
    for (const Peer& peer : peers) {
        wishes.push_back({PlaneFeature::other_machines, "a way to machine " + peer.name});
    }
    const auto choice = choose_plane(wishes, kind, missing_for);
    if (const auto* const refused = std::get_if<PlaneRefusal>(&choice)) {
        if (refused->for_wishes) throw Unsuitable{refused->message};
        throw MissingFeature{refused->message};
    }
    const auto& chosen = std::get<PlaneChoice>(choice);
    spdlog::info("data plane chosen plane={} reason=\"{}\"", name_of(chosen.plane), chosen.reason);
    return chosen.plane;
}

}  // namespace pleat
