#include "cli/not_yet.hh"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

namespace pleat {
namespace {

// The same property on a hundred links is one thing to say.
constexpr std::size_t kMostNamed = 3;

struct Refused {
    std::string_view property;
    std::set<std::string> where;  // labels of links, "client[0]--s1"
};

template <typename Properties, typename Says>
void collect(const Properties& properties, const std::string& where, std::vector<Refused>& refused,
             Says says) {
    if (says(properties.reorder)) refused[0].where.insert(where);
    if (says(properties.duplicate)) refused[1].where.insert(where);
    if (says(properties.corrupt)) refused[2].where.insert(where);
}

std::vector<std::string> of_links(const Scenario& scenario) {
    std::vector<Refused> refused{{"reorder=", {}}, {"duplicate=", {}}, {"corrupt=", {}}};
    const Topology& topology = scenario.topology;
    const auto links = topology.links();
    for (std::uint32_t i = 0; i < links.size(); ++i) {
        collect(links[i].properties, topology.label(LinkId{i}), refused,
                [](Probability p) { return p > Probability{}; });
    }
    for (const TimedEvent& event : scenario.timeline) {
        const auto* const change = std::get_if<LinkChange>(&event.event);
        if (change == nullptr) continue;
        collect(change->patch, topology.label(change->link), refused,
                [](const std::optional<Probability>& p) { return p && *p > Probability{}; });
    }

    std::vector<std::string> sentences;
    for (const Refused& one : refused) {
        if (one.where.empty()) continue;
        std::string names;
        std::size_t named = 0;
        for (const std::string& label : one.where) {
            if (named == kMostNamed) break;
            names += (named++ == 0 ? "" : ", ") + label;
        }
        if (one.where.size() > named) {
            names += fmt::format(" and {} more", one.where.size() - named);
        }
        sentences.push_back(fmt::format(
            "{} of {} can't be emulated by any data plane of this version", one.property, names));
    }
    return sentences;
}

}  // namespace

std::vector<std::string> not_yet(const Scenario& scenario, bool with_applications) {
    std::vector<std::string> sentences;
    sentences.reserve(scenario.not_yet.size());
    for (const std::string& part : scenario.not_yet) {
        sentences.push_back(fmt::format("{} is not yet there", part));
    }
    for (std::size_t i = 0; with_applications && i < scenario.applications.size(); ++i) {
        for (const std::string& part : scenario.applications[i].not_yet) {
            sentences.push_back(fmt::format("host {}: {} is not yet there",
                                            scenario.topology.hosts()[i].name, part));
        }
    }
    for (std::string& sentence : of_links(scenario)) sentences.push_back(std::move(sentence));
    return sentences;
}

}  // namespace pleat
