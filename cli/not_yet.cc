#include "cli/not_yet.hh"

#include <fmt/format.h>

namespace pleat {

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
    return sentences;
}

}  // namespace pleat
