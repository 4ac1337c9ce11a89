#include "cli/arguments.hh"

#include <algorithm>
#include <span>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/grammar.hh"
#include "cli/help.hh"
#include "cli/verbs.hh"
#include "readers/spelling.hh"

namespace pleat {
namespace {

Answer refused(std::string error) {
    return {.data = {}, .error = std::move(error)};
}

// "--json" and "-n", without values.
std::vector<std::string> flags_of(const CLI::App& app) {
    std::vector<std::string> flags;
    for (const CLI::Option* option : app.get_options()) {
        for (const std::string& name : option->get_lnames()) flags.push_back("--" + name);
        for (const std::string& name : option->get_snames()) flags.push_back("-" + name);
    }
    return flags;
}

std::string unexpected(Grammar& grammar) {
    const CLI::App& whole = grammar.app();
    const CLI::App& app = grammar.chosen() == nullptr ? whole : *grammar.chosen();
    const std::vector<std::string> extras = whole.remaining(true);
    const std::string extra = extras.empty() ? "" : extras.front();
    if (!extra.starts_with('-')) return fmt::format("unexpected argument '{}'", extra);

    const std::string given = extra.substr(0, extra.find('='));
    std::vector<std::string> flags = flags_of(app);
    const std::vector<std::string> global = flags_of(whole);
    flags.insert(flags.end(), global.begin(), global.end());
    const std::vector<std::string_view> names{flags.begin(), flags.end()};
    const std::string near = nearest_word(given, names);
    if (near.empty()) return fmt::format("unknown option '{}'", given);
    return fmt::format("unknown option '{}'; did you mean '{}'?", given, near);
}

Answer wrong_line(const Grammar& grammar, const std::string& message) {
    const CLI::App* const verb = grammar.chosen();
    if (verb == nullptr) return refused(message + "; see 'pleat --help'");
    return refused(fmt::format("{0}: {1}; see 'pleat {0} --help'", verb->get_name(), message));
}

std::string lowered(std::string text) {
    // CLI11 begins its sentences with a capital, ours go on after a colon.
    if (text.size() > 1 && std::isupper(static_cast<unsigned char>(text[0])) != 0 &&
        std::islower(static_cast<unsigned char>(text[1])) != 0) {
        text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
    }
    return text;
}

// The first word that is not a flag: the verb.
std::string_view named_verb(std::span<const std::string> arguments) {
    for (const std::string& argument : arguments) {
        if (argument == "--") break;
        if (!argument.starts_with('-')) return argument;
    }
    return {};
}

std::optional<Answer> refuse_verb(std::string_view name) {
    const Verb* const verb = find_verb(name);
    if (verb == nullptr) {
        const std::string near = nearest_verb(name);
        const std::string hint =
            near.empty() ? "see 'pleat --help'" : fmt::format("did you mean '{}'?", near);
        return refused(fmt::format("unknown verb '{}'; {}", name, hint));
    }
    if (verb->state == Verb::State::not_yet) {
        return refused(fmt::format("'{}' is not yet there", name));
    }
    return std::nullopt;
}

// `pleat --json VERB` is `pleat VERB --json`.
void move_json_behind_verb(std::vector<std::string>& arguments) {
    const auto is_verb = [](const std::string& a) { return !a.starts_with('-'); };
    const auto verb = std::ranges::find_if(arguments, is_verb);
    const auto json = std::find(arguments.begin(), verb, "--json");
    if (json == verb || verb == arguments.end()) return;
    std::rotate(json, json + 1, verb + 1);
}

}  // namespace

std::variant<CommandLine, Answer> parse_command_line(const std::vector<std::string>& given) {
    std::vector<std::string> arguments = given;
    std::string name{named_verb(arguments)};
    if (name == "help") {  // `pleat help VERB` is `pleat VERB --help`
        arguments.erase(std::ranges::find(arguments, "help"));
        arguments.emplace_back("--help");
        name = named_verb(arguments);
    }
    if (name.empty()) {
        if (std::ranges::find(arguments, "--version") != arguments.end()) {
            return CommandLine{.verb = VersionArguments{}};
        }
        const bool asked = std::ranges::any_of(
            arguments, [](const std::string& a) { return a == "--help" || a == "-h"; });
        if (asked) return Answer{.data = help_text(), .error = {}, .code = ExitCode::ok};
        if (arguments.empty()) return refused("no verb given\n" + help_text());
    }
    move_json_behind_verb(arguments);
    if (!name.empty()) {
        if (auto answer = refuse_verb(name)) return *answer;
    }

    const auto marker = std::ranges::find(arguments, "--");
    Grammar grammar;
    try {
        // The parser takes its words from the back.
        std::vector<std::string> reversed{arguments.rbegin(), arguments.rend()};
        grammar.app().parse(std::move(reversed));
    } catch (const CLI::CallForHelp&) {
        const CLI::App* const verb = grammar.chosen();
        return Answer{.data = verb == nullptr ? help_text() : verb->help("pleat"),
                      .error = {},
                      .code = ExitCode::ok};
    } catch (const CLI::ExtrasError&) {
        return wrong_line(grammar, unexpected(grammar));
    } catch (const CLI::ParseError& error) {
        return wrong_line(grammar, lowered(error.what()));
    }
    CommandLine line = grammar.result();
    if (name == "link") {
        const std::string& done = std::get<ChangeArguments>(line.verb).lines.front();
        const std::string_view what = std::string_view{done}.substr(0, done.find(' '));
        if (what != "up" && what != "down" && what != "reset") {
            return refused(fmt::format(
                "link: expected up, down or reset, found '{}'; see 'pleat link --help'", what));
        }
    }
    const auto* const shell = std::get_if<ShellArguments>(&line.verb);
    if (shell != nullptr && !shell->command.empty() && marker == arguments.end()) {
        return refused(
            "shell: the command is written after '--': pleat shell '40ms 10Mbps' -- COMMAND");
    }
    return line;
}

std::vector<VerbWords> completion_words() {
    Grammar grammar;
    const std::vector<std::string> global = flags_of(grammar.app());
    std::vector<VerbWords> result;
    for (const Verb& verb : verbs()) {
        if (verb.state != Verb::State::built) continue;
        VerbWords words{.verb = std::string{verb.name},
                        .words = flags_of(*grammar.app().get_subcommand(std::string{verb.name}))};
        words.words.insert(words.words.end(), global.begin(), global.end());
        std::ranges::sort(words.words);
        const auto repeated = std::ranges::unique(words.words);
        words.words.erase(repeated.begin(), repeated.end());
        if (verb.name == "import") words.words.emplace_back("kollaps");
        if (verb.name == "completion") words.words.emplace_back("bash");
        result.push_back(std::move(words));
    }
    return result;
}

}  // namespace pleat
