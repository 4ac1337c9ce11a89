#include <catch2/catch.hpp>

#include "cli/arguments.hh"
#include "cli/completion.hh"
#include "cli/help.hh"
#include "cli/verbs.hh"

namespace pleat {
namespace {

using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using Words = std::vector<std::string>;

template <typename T>
T parsed(const Words& words) {
    const auto result = parse_command_line(words);
    if (const auto* answer = std::get_if<Answer>(&result)) FAIL(answer->error);
    return std::get<T>(std::get<CommandLine>(result).verb);
}

Answer answered(const Words& words) {
    const auto result = parse_command_line(words);
    REQUIRE(std::holds_alternative<Answer>(result));
    return std::get<Answer>(result);
}

TEST_CASE("run takes a file and leaves everything else to be chosen") {
    const auto run = parsed<RunArguments>({"run", "a.yaml"});
    CHECK(run.topology.file == "a.yaml");
    CHECK_FALSE(run.topology.seed);
    CHECK_FALSE(run.samples);
    CHECK(run.repeat == 1);
    CHECK(run.out.empty());
}

TEST_CASE("run takes its flags before and after the file") {
    const auto run = parsed<RunArguments>({"run",
                                           "--seed",
                                           "18446744073709551615",
                                           "--var",
                                           "rate=1Mbps",
                                           "a.yaml",
                                           "--var",
                                           "x=a=b",
                                           "--set",
                                           "30s: down a--b",
                                           "--set",
                                           "40s: up a--b",
                                           "--no-apps",
                                           "--samples",
                                           "1s",
                                           "--out",
                                           "/tmp/x",
                                           "--repeat",
                                           "3",
                                           "--data-plane",
                                           "tun",
                                           "--json"});
    CHECK(run.topology.file == "a.yaml");
    CHECK(run.topology.seed == 18446744073709551615U);
    CHECK(run.topology.variables == Variables{{"rate", "1Mbps"}, {"x", "a=b"}});
    CHECK(run.topology.events == Words{"30s: down a--b", "40s: up a--b"});
    CHECK(run.no_applications);
    REQUIRE(run.samples);
    CHECK(run.samples->interval == Duration{1s});
    CHECK(run.out == "/tmp/x");
    CHECK(run.repeat == 3);
    CHECK(run.json);
}

TEST_CASE("samples none is a choice of its own") {
    const auto run = parsed<RunArguments>({"run", "a.yaml", "--samples=none"});
    REQUIRE(run.samples);
    CHECK_FALSE(run.samples->interval);
}

TEST_CASE("values that make no sense are refused as usage, with the verb's name") {
    const std::vector<Words> lines{{"run", "a.yaml", "--seed", "-1"},
                                   {"run", "a.yaml", "--seed", "seven"},
                                   {"run", "a.yaml", "--repeat", "0"},
                                   {"run", "a.yaml", "--samples", "2s"},
                                   {"run", "a.yaml", "--data-plane", "magic"},
                                   {"run", "a.yaml", "--var", "rate"},
                                   {"run", "a.yaml", "b.yaml"},
                                   {"run"}};
    for (const Words& line : lines) {
        CAPTURE(line);
        const Answer answer = answered(line);
        CHECK(answer.code == ExitCode::usage);
        CHECK_THAT(answer.error, Catch::Matchers::StartsWith("run: "));
    }
}

TEST_CASE("shell takes everything after -- as the command, flags too") {
    const auto shell = parsed<ShellArguments>(
        {"shell", "40ms 10Mbps", "--", "curl", "-sO", "--json", "run", "--"});
    CHECK(shell.link == "40ms 10Mbps");
    CHECK(shell.command == Words{"curl", "-sO", "--json", "run", "--"});
}

TEST_CASE("shell may do without a command, but not without -- in front of one") {
    CHECK(parsed<ShellArguments>({"shell", "40ms"}).command.empty());
    CHECK(parsed<ShellArguments>({"shell", "40ms", "--"}).command.empty());
    CHECK_THAT(answered({"shell", "40ms", "bash"}).error, Contains("after '--'"));
}

TEST_CASE("paths takes one pair and a time") {
    const auto paths =
        parsed<PathsArguments>({"paths", "a.yaml", "client[0]", "server", "--at", "30s"});
    CHECK(paths.from == "client[0]");
    CHECK(paths.to == "server");
    CHECK(paths.at == "30s");
    CHECK_FALSE(paths.machines);
    const auto placed =
        parsed<PathsArguments>({"paths", "a.yaml", "--machines", "--controller", "ipc:///c"});
    CHECK(placed.machines);
    CHECK(placed.controller == "ipc:///c");
}

TEST_CASE("global flags stand before or after the verb") {
    for (const Words& line : {Words{"-q", "version"}, Words{"version", "-q"}}) {
        const auto result = parse_command_line(line);
        CHECK(std::get<CommandLine>(result).quiet);
    }
}

TEST_CASE("--json may stand before the verb, where the verb knows it") {
    CHECK(parsed<VersionArguments>({"--json", "version"}).json);
    CHECK(parsed<VersionArguments>({"-q", "--json", "version"}).json);
    CHECK_THAT(answered({"--json", "expand", "a.yaml"}).error, Contains("unknown option '--json'"));
}

TEST_CASE("an unknown verb gets a suggestion") {
    const Answer answer = answered({"vallidate", "a.yaml"});
    CHECK(answer.code == ExitCode::usage);
    CHECK(answer.error == "unknown verb 'vallidate'; did you mean 'validate'?");
    CHECK_THAT(answered({"zzzzzz"}).error, Contains("pleat --help"));
}

TEST_CASE("an unknown option gets a suggestion, a near one of another verb does not count") {
    CHECK_THAT(answered({"run", "a.yaml", "--jsn"}).error, Contains("did you mean '--json'?"));
    CHECK_THAT(answered({"version", "--dry-run"}).error, Contains("unknown option '--dry-run'"));
}

TEST_CASE("verbs that change a run make the lines that a file would have") {
    const auto lines = [](const std::vector<std::string>& words) {
        const auto parsed = parse_command_line(words);
        const auto* const line = std::get_if<CommandLine>(&parsed);
        REQUIRE(line != nullptr);
        return std::get<ChangeArguments>(line->verb).lines;
    };
    using Lines = std::vector<std::string>;
    CHECK(lines({"set", "s1--s2", "90Mbps", "loss=1%"}) == Lines{"set s1--s2 90Mbps loss=1%"});
    CHECK(lines({"do", "down s1--s2", "crash a", "--run", "r-1"}) ==
          Lines{"down s1--s2", "crash a"});
    CHECK(lines({"partition", "a", "|", "b"}) == Lines{"partition a | b"});
    CHECK(lines({"heal", "--json"}) == Lines{"heal"});
    CHECK(lines({"link", "reset", "s1--s2"}) == Lines{"reset s1--s2"});
    CHECK(lines({"mark", "half", "way"}) == Lines{"mark half way"});
    CHECK_THAT(answered({"link", "cut", "s1--s2"}).error, Contains("expected up, down or reset"));
    CHECK(answered({"set"}).code == ExitCode::usage);
}

TEST_CASE("verbs of the manual that are not built say so, and are absent from the help") {
    for (const char* name : {"replay", "runs", "events", "report", "top", "selftest"}) {
        CAPTURE(name);
        const Answer answer = answered({name, "r-7f3a", "--whatever"});
        CHECK(answer.code == ExitCode::usage);
        CHECK(answer.error == "'" + std::string{name} + "' is not yet there");
        CHECK(help_text().find("\n  " + std::string{name} + " ") == std::string::npos);
    }
}

TEST_CASE("verbs of a controller say which, and what it is to do") {
    const auto parsed = [](const std::vector<std::string>& words) {
        auto line = parse_command_line(words);
        REQUIRE(std::holds_alternative<CommandLine>(line));
        return std::get<CommandLine>(line).verb;
    };
    const auto run = parsed({"run", "a.yaml", "--controller", "tcp://h:1"});
    CHECK(std::get<RunArguments>(run).controller == "tcp://h:1");
    const auto stop =
        std::get<RunVerbArguments>(parsed({"stop", "r-1", "--controller", "ipc:///x"}));
    CHECK(stop.action == RunVerbArguments::Action::stop);
    CHECK(stop.run == "r-1");
    CHECK(stop.controller == "ipc:///x");
    CHECK(std::get<RunVerbArguments>(parsed({"ps", "--json"})).json);
    CHECK(std::get<SubmitArguments>(parsed({"submit", "a.yaml", "--start"})).start);
    CHECK_FALSE(std::get<SubmitArguments>(parsed({"submit", "a.yaml"})).takeover);
    for (const std::string verb : {"submit", "up"}) {
        CHECK(std::get<SubmitArguments>(parsed({verb, "a.yaml", "--takeover"})).takeover);
    }
    CHECK(std::get<RunArguments>(parsed({"run", "a.yaml", "--takeover"})).takeover);
    const auto label =
        std::get<MachinesArguments>(parsed({"machines", "label", "m1", "fast", "big"}));
    CHECK(label.action == MachinesArguments::Action::label);
    CHECK(label.object == "m1");
    CHECK(label.labels == std::vector<std::string>{"fast", "big"});
    const auto token = std::get<MachinesArguments>(parsed({"machines", "token", "--operator"}));
    CHECK(token.action == MachinesArguments::Action::token);
    CHECK(token.for_operator);
    CHECK(answered({"stop"}).code == ExitCode::usage);
    const auto added = std::get<MachinesArguments>(
        parsed({"machines", "add", "--ssh", "u@h", "--name", "m2", "--hosts", "3"}));
    CHECK(added.ssh == "u@h");
    CHECK(added.name == "m2");
    CHECK(added.room == 3U);
    CHECK(std::get<MachinesArguments>(parsed({"machines", "rm", "--ssh", "m2"})).object == "m2");
    CHECK(std::get<MachinesArguments>(parsed({"machines", "rm", "m2", "--ssh"})).ssh ==
          kRememberedDestination);
    CHECK(std::get<MachinesArguments>(parsed({"machines", "logs", "m2", "--ssh=u@h"})).ssh ==
          "u@h");
    CHECK(answered({"machines", "add", "--name", "m2"}).code == ExitCode::usage);
    CHECK(answered({"machines"}).code == ExitCode::usage);
    CHECK(answered({"machines", "rm"}).code == ExitCode::usage);
}

TEST_CASE("help is data and succeeds, for the program and for every built verb") {
    CHECK(answered({"--help"}).code == ExitCode::ok);
    CHECK(answered({"help"}).data == answered({"-h"}).data);
    for (const Verb& verb : verbs()) {
        if (verb.state != Verb::State::built) continue;
        CAPTURE(verb.name);
        const Answer answer = answered({std::string{verb.name}, "--help"});
        CHECK(answer.code == ExitCode::ok);
        CHECK(answer.error.empty());
        CHECK_THAT(answer.data, Contains(std::string{verb.summary}));
        CHECK_THAT(answer.data, Contains("Examples:"));
        CHECK(answered({"help", std::string{verb.name}}).data == answer.data);
        CHECK_THAT(help_text(), Contains(std::string{verb.summary}));
    }
}

TEST_CASE("no verb at all is wrong usage and shows the help") {
    const Answer answer = answered({});
    CHECK(answer.code == ExitCode::usage);
    CHECK(answer.data.empty());
    CHECK_THAT(answer.error, Contains("Usage: pleat"));
}

TEST_CASE("completion knows every built verb with its flags, and no other verb") {
    const std::string script = bash_completion(completion_words());
    CHECK_THAT(script, Contains("--require-fidelity"));
    CHECK_THAT(script, Contains(" doctor "));
    CHECK_THAT(script, !Contains("replay"));
    CHECK_THAT(script, Contains("complete -o default -F _pleat pleat"));
}

TEST_CASE("wait may be told how long, and to print a document") {
    CHECK_FALSE(parsed<RunVerbArguments>({"wait", "@~1"}).timeout);
    const auto wait = parsed<RunVerbArguments>({"wait", "@~1", "--timeout", "1m30s", "--json"});
    CHECK(wait.action == RunVerbArguments::Action::wait);
    CHECK(wait.run == "@~1");
    CHECK(wait.timeout == Duration{90s});
    CHECK(wait.json);
    CHECK_THAT(answered({"wait", "@", "--timeout", "soon"}).error,
               Contains("--timeout") && Contains("soon"));
    CHECK(answered({"stop", "@", "--timeout", "1s"}).code == ExitCode::usage);
    CHECK(parsed<SubmitArguments>({"submit", "a.yaml", "--json"}).json);
    CHECK(parsed<SubmitArguments>({"up", "a.yaml", "--json"}).json);
    const auto words = completion_words();
    const auto completed = std::ranges::find(words, "wait", &VerbWords::verb);
    REQUIRE(completed != words.end());
    CHECK(std::ranges::find(completed->words, "--timeout") != completed->words.end());
}

}  // namespace
}  // namespace pleat
