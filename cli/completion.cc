#include "cli/completion.hh"

#include <fmt/format.h>

#include "base/joined.hh"

namespace pleat {

std::string bash_completion(std::span<const VerbWords> verbs) {
    std::string names;
    std::string cases;
    for (const VerbWords& verb : verbs) {
        names += names.empty() ? verb.verb : " " + verb.verb;
        cases += fmt::format("        {}) words='{}' ;;\n", verb.verb, joined(verb.words, " "));
    }
    std::string script = "# bash completion of pleat; made by 'pleat completion bash'\n";
    script +=
        "_pleat() {\n"
        "    local current=${COMP_WORDS[COMP_CWORD]} verb='' words='' i\n"
        "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
        "        if [[ ${COMP_WORDS[i]} == -- ]]; then\n"
        "            COMPREPLY=()\n"
        "            return\n"
        "        fi\n"
        "        if [[ -z $verb && ${COMP_WORDS[i]} != -* ]]; then\n"
        "            verb=${COMP_WORDS[i]}\n"
        "        fi\n"
        "    done\n"
        "    case $verb in\n";
    script += fmt::format("        '') words='{} --help --version' ;;\n", names);
    script += cases;
    script +=
        "    esac\n"
        "    # Nothing fits: bash goes on with names of files.\n"
        "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
        "}\n"
        "complete -o default -F _pleat pleat\n";
    return script;
}

}  // namespace pleat
