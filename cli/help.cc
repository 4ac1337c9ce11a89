#include "cli/help.hh"

#include <fmt/format.h>

#include "cli/verbs.hh"

namespace pleat {

std::string help_text() {
    std::string text =
        "pleat runs unmodified applications on an emulated network.\n"
        "\n"
        "Usage: pleat [-q] [--no-color] VERB [OBJECT] [FLAGS]\n";
    std::string_view group;
    for (const Verb& verb : verbs()) {
        if (verb.state != Verb::State::built) continue;
        if (verb.group != group) {
            group = verb.group;
            text += fmt::format("\n{}\n", group);
        }
        text += fmt::format("  {:<12} {}\n", verb.name, verb.summary);
    }
    text +=
        "\n"
        "'pleat VERB --help' tells more of a verb.\n"
        "\n"
        "Examples:\n"
        "  pleat run topologies/dumbbell.yaml\n"
        "  pleat paths topologies/dumbbell.yaml 'client[0]' 'server[0]'\n"
        "  pleat shell '40ms 10Mbps loss=1%' -- curl -sO https://example.org/\n";
    return text;
}

}  // namespace pleat
