#include "model/plane_choice.hh"

#include <algorithm>
#include <set>
#include <utility>

namespace pleat {

namespace {

// The same property on a hundred links is one thing to say.
constexpr std::size_t kMostNamed = 3;

constexpr std::array<std::pair<PlaneFeature, std::string_view>, 3> kLinkFeatures{
    {{PlaneFeature::reorder, "reorder="},
     {PlaneFeature::duplicate, "duplicate="},
     {PlaneFeature::corrupt, "corrupt="}}};

// Calls `wish(feature)` for each that `properties`, whole or a patch, name.
template <typename Properties, typename Says, typename Wish>
void each_feature(const Properties& properties, Says says, Wish wish) {
    if (says(properties.reorder)) wish(PlaneFeature::reorder);
    if (says(properties.duplicate)) wish(PlaneFeature::duplicate);
    if (says(properties.corrupt)) wish(PlaneFeature::corrupt);
}

// "a--s1, b--s1 and 3 more"
std::string some_of(const std::set<std::string>& labels) {
    std::string text;
    std::size_t named = 0;
    for (const std::string& label : labels) {
        if (named == kMostNamed) break;
        text += (named++ == 0 ? "" : ", ") + label;
    }
    if (labels.size() > named) text += " and " + std::to_string(labels.size() - named) + " more";
    return text;
}

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

}  // namespace

std::string_view name_of(PlaneKind plane) {
    switch (plane) {
        case PlaneKind::edt:
            return "edt";
        case PlaneKind::netem:
            return "netem";
        case PlaneKind::tun:
            break;
    }
    return "tun";
}

std::optional<PlaneKind> plane_named(std::string_view name) {
    for (const PlaneKind plane : kPlaneKinds) {
        if (name == name_of(plane)) return plane;
    }
    return std::nullopt;
}

bool can_do(PlaneKind plane, PlaneFeature feature) {
    switch (feature) {
        case PlaneFeature::reorder:
        case PlaneFeature::duplicate:
        case PlaneFeature::corrupt:
            return plane != PlaneKind::tun;
        case PlaneFeature::outside:
            return plane != PlaneKind::edt;
        case PlaneFeature::other_machines:
            break;
    }
    return plane == PlaneKind::tun;
}

std::vector<PlaneWish> plane_wishes(const Scenario& scenario) {
    std::array<std::set<std::string>, kLinkFeatures.size()> where;
    const Topology& topology = scenario.topology;
    const auto add_to = [&where](const std::string& label) {
        return [&where, label](PlaneFeature feature) {
            where.at(static_cast<std::size_t>(feature)).insert(label);
        };
    };
    const auto links = topology.links();
    for (std::uint32_t i = 0; i < links.size(); ++i) {
        each_feature(
            links[i].properties, [](Probability p) { return p > Probability{}; },
            add_to(topology.label(LinkId{i})));
    }
    for (const TimedEvent& event : scenario.timeline) {
        const auto* const change = std::get_if<LinkChange>(&event.event);
        if (change == nullptr) continue;
        each_feature(
            change->patch,
            [](const std::optional<Probability>& p) { return p && *p > Probability{}; },
            add_to(topology.label(change->link)));
    }
    std::vector<PlaneWish> wishes;
    for (const auto& [feature, property] : kLinkFeatures) {
        const std::set<std::string>& labels = where.at(static_cast<std::size_t>(feature));
        if (labels.empty()) continue;
        wishes.push_back({feature, std::string{property} + " of " + some_of(labels)});
    }
    const bool outside = std::any_of(scenario.applications.begin(), scenario.applications.end(),
                                     [](const Application& one) { return one.outside; });
    if (outside) wishes.push_back({PlaneFeature::outside, "@outside"});
    return wishes;
}

std::vector<std::string> beyond(PlaneKind plane, const std::vector<PlaneWish>& wishes) {
    std::vector<std::string> sentences;
    for (const PlaneWish& wish : wishes) {
        if (can_do(plane, wish.feature)) continue;
        sentences.push_back(wish.what + " can't be emulated by the data plane " +
                            std::string{name_of(plane)} + " (" + planes_that_can(wish.feature) +
                            " can)");
    }
    return sentences;
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
