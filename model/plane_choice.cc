#include "model/plane_choice.hh"

#include <algorithm>
#include <utility>

namespace pleat {

namespace {

std::string planes_that_can(PlaneFeature feature) {
    std::string text;
    for (const PlaneKind plane : kPlaneKinds) {
        if (!can_do(plane, feature)) continue;
        text += (text.empty() ? "" : " or ") + std::string{name_of(plane)};
    }
    return text;
}

bool can_all(PlaneKind plane, const std::vector<PlaneWish>& wishes) {
    return std::all_of(wishes.begin(), wishes.end(),
                       [plane](const PlaneWish& wish) { return can_do(plane, wish.feature); });
}

std::string joined(const std::vector<std::string>& texts) {
    std::string result;
    for (const std::string& text : texts) result += (result.empty() ? "" : "; ") + text;
    return result;
}

// A sentence for each wish that this plane can't fulfil: "encryption between machines can't be had
// with the data plane edt (tun can)".
std::vector<std::string> beyond(PlaneKind plane, const std::vector<PlaneWish>& wishes) {
    std::vector<std::string> sentences;
    for (const PlaneWish& wish : wishes) {
        if (can_do(plane, wish.feature)) continue;
        sentences.push_back(wish.what + " can't be had with the data plane " +
                            std::string{name_of(plane)} + " (" + planes_that_can(wish.feature) +
                            " can)");
    }
    return sentences;
}

}  // namespace

std::string_view name_of(PlaneKind plane) {
    switch (plane) {
        case PlaneKind::edt:
            return "edt";
        case PlaneKind::netem:
            return "netem";
        case PlaneKind::recording:
            return "recording";
        case PlaneKind::tun:
            break;
    }
    return "tun";
}

std::optional<PlaneKind> plane_named(std::string_view name) {
    for (const PlaneKind plane : kPlaneKinds) {
        if (name == name_of(plane)) return plane;
    }
    if (name == name_of(PlaneKind::recording)) return PlaneKind::recording;
    return std::nullopt;
}

bool is_of_kernel(PlaneKind plane) {
    return plane == PlaneKind::edt || plane == PlaneKind::netem;
}

bool can_do(PlaneKind plane, PlaneFeature feature) {
    switch (feature) {
        case PlaneFeature::machine_interface:
            return is_of_kernel(plane);
        case PlaneFeature::tunnel:
            break;
    }
    return plane == PlaneKind::tun || plane == PlaneKind::recording;
}

std::variant<PlaneChoice, PlaneRefusal> choose_plane(
    const std::vector<PlaneWish>& wishes, std::optional<PlaneKind> forced,
    const std::function<std::string(PlaneKind)>& missing) {
    if (forced) {
        if (!can_all(*forced, wishes)) {
            return PlaneRefusal{.message = joined(beyond(*forced, wishes)), .for_wishes = true};
        }
        const std::string lacks = missing(*forced);
        if (lacks.empty()) return PlaneChoice{.plane = *forced, .reason = "forced"};
        return PlaneRefusal{.message = "the data plane " + std::string{name_of(*forced)} +
                                       " can't work on this machine: " + lacks +
                                       " (see 'pleat doctor')"};
    }
    std::string reasons;
    const auto add = [&reasons](PlaneKind plane, const std::string& reason) {
        reasons += (reasons.empty() ? "" : "; ") + std::string{name_of(plane)} + ": " + reason;
    };
    bool asked = false;
    for (const PlaneKind plane : kPlaneKinds) {
        if (!can_all(plane, wishes)) {
            for (const PlaneWish& wish : wishes) {
                if (!can_do(plane, wish.feature)) add(plane, "can't do " + wish.what);
            }
            continue;
        }
        asked = true;
        const std::string lacks = missing(plane);
        if (lacks.empty()) {
            if (reasons.empty()) reasons = std::string{name_of(plane)} + " works";
            return PlaneChoice{.plane = plane, .reason = reasons};
        }
        add(plane, lacks);
    }
    if (!asked) {
        return PlaneRefusal{.message = "no data plane can do all that is asked for: " + reasons,
                            .for_wishes = true};
    }
    return PlaneRefusal{.message = "no data plane can work: " + reasons + " (see 'pleat doctor')"};
}

}  // namespace pleat
