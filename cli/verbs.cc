#include "cli/verbs.hh"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "readers/spelling.hh"

namespace pleat {
namespace {

constexpr auto kBuilt = Verb::State::built;
constexpr auto kNotYet = Verb::State::not_yet;

constexpr std::array kVerbs{
    Verb{"init", "author", "", kNotYet},
    Verb{"validate", "author", "check topology files and report every problem", kBuilt},
    Verb{"paths", "author", "print the folded paths from host to host", kBuilt},
    Verb{"graph", "author", "", kNotYet},
    Verb{"expand", "author", "print a topology with everything written out", kBuilt},
    Verb{"generate", "author", "", kNotYet},
    Verb{"import", "author", "turn another format into a topology file", kBuilt},
    Verb{"run", "run", "run a topology from start to end", kBuilt},
    Verb{"up", "run", "start a topology on a controller, and leave it running", kBuilt},
    Verb{"down", "run", "end a run on a controller, and wait until nothing is left of it", kBuilt},
    Verb{"wait", "run", "wait for a run on a controller to end", kBuilt},
    Verb{"submit", "run", "give a topology to a controller", kBuilt},
    Verb{"start", "run", "start a run that was submitted", kBuilt},
    Verb{"stop", "run", "end a run on a controller", kBuilt},
    Verb{"shell", "run", "run one command behind one link", kBuilt},
    Verb{"attach", "run", "", kNotYet},
    Verb{"ps", "look", "list the runs of a controller", kBuilt},
    Verb{"events", "look", "", kNotYet},
    Verb{"logs", "look", "print what a host of a run on a controller has written", kBuilt},
    Verb{"exec", "look", "run a command on a host of a run on a controller", kBuilt},
    Verb{"inspect", "look", "show what came of a run on a controller", kBuilt},
    Verb{"capture", "look", "", kNotYet},
    Verb{"top", "look", "", kNotYet},
    Verb{"open", "look", "", kNotYet},
    Verb{"set", "change", "change a link of a run under way", kBuilt},
    Verb{"do", "change", "carry out event lines in a run under way", kBuilt},
    Verb{"partition", "change", "divide the network of a run under way", kBuilt},
    Verb{"heal", "change", "end every partition of a run under way", kBuilt},
    Verb{"link", "change", "put a link up or down, or take changes of it back", kBuilt},
    Verb{"mark", "change", "write a remark into the log of a run under way", kBuilt},
    Verb{"runs", "results", "", kNotYet},
    Verb{"report", "results", "", kNotYet},
    Verb{"export", "results", "", kNotYet},
    Verb{"replay", "results", "", kNotYet},
    Verb{"compare", "results", "", kNotYet},
    Verb{"rm", "results", "", kNotYet},
    Verb{"prune", "results", "", kNotYet},
    Verb{"machines", "machines",
         "machines of a controller: ls, token, join, add, rm, label, check, logs", kBuilt},
    Verb{"doctor", "care", "say what this machine can do, and what to mend", kBuilt},
    Verb{"selftest", "care", "", kNotYet},
    Verb{"clean", "care", "remove what dead runs left behind", kBuilt},
    Verb{"completion", "care", "print completion for a shell", kBuilt},
    Verb{"version", "care", "print the version", kBuilt},
};

}  // namespace

std::span<const Verb> verbs() {
    return kVerbs;
}

const Verb* find_verb(std::string_view name) {
    const auto* const it = std::ranges::find(kVerbs, name, &Verb::name);
    return it == kVerbs.end() ? nullptr : it;
}

std::string nearest_verb(std::string_view name) {
    std::vector<std::string_view> names;
    for (const Verb& verb : kVerbs) {
        if (verb.state == kBuilt) names.push_back(verb.name);
    }
    return nearest_word(name, names);
}

}  // namespace pleat
