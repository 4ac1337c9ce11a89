// What the programs say about themselves: help, version, doctor, completion, colours.
#include <catch2/catch.hpp>

#include "tests/system/topologies.hh"
#include "tests/system/workplace.hh"

using namespace pleat;
using namespace pleat::system_test;

namespace {

const std::vector<std::string> later_verbs{
    "init",   "graph",   "generate", "events", "capture",  "runs",   "report", "export",
    "replay", "compare", "rm",       "prune",  "selftest", "attach", "top",    "open"};

const std::vector<std::string> built_verbs{
    "validate",   "paths",   "expand",    "import", "run",  "shell", "doctor",
    "clean",      "submit",  "start",     "stop",   "wait", "ps",    "version",
    "completion", "inspect", "machines",  "up",     "down", "logs",  "exec",
    "set",        "do",      "partition", "heal",   "link", "mark"};

// Is it a word of the text, between blanks?
bool has_word(const std::string& text, const std::string& word) {
    return has("\n" + text, "\n  " + word + " ");
}

// On a terminal: `script` (of util-linux) makes one.
Ended on_a_terminal(const Workplace& place, const std::string& line,
                    const std::vector<std::string>& environment) {
    Command command = place.command({"script", "-qec", line, "/dev/null"});
    command.environment.insert(command.environment.end(), environment.begin(), environment.end());
    return run_program(command);
}

}  // namespace

TEST_CASE("the help names what is built, and nothing that is not yet there") {
    Workplace place;
    const Ended help = place.run({"--help"});
    CHECK(help.code == 0);
    CHECK(help.err.empty());
    for (const std::string& verb : built_verbs) {
        INFO(verb);
        CHECK(has_word(help.out, verb));
        const Ended more = place.run({verb, "--help"});
        CHECK(more.code == 0);
        CHECK(has(more.out, "xample"));
    }
    for (const std::string& verb : later_verbs) {
        INFO(verb);
        CHECK_FALSE(has_word(help.out, verb));
    }
}

TEST_CASE("verbs of later work answer `not yet`, unknown ones are refused with a suggestion") {
    Workplace place;
    for (const std::string& verb : later_verbs) {
        const Ended ended = place.run({verb}, 5s);
        INFO(verb << ": " << ended.err);
        CHECK(ended.code == 2);
        CHECK(has(ended.err, "not yet"));
    }
    const Ended unknown = place.run({"rnu", "x.yaml"}, 5s);
    CHECK(unknown.code == 2);
    CHECK(has(unknown.err, "'run'"));
    const Ended flag = place.run({"run", "x.yaml", "--jsno"}, 5s);
    CHECK(flag.code == 2);
    CHECK(has(flag.err, "--json"));
    CHECK(place.run({}, 5s).code == 2);
    CHECK(place.run({"run"}, 5s).code == 2);
    CHECK(place.run({"shell", "10ms", "true"}, 5s).code == 2);
    CHECK(place.run({"paths", "x.yaml", "a", "b", "c"}, 5s).code == 2);
}

TEST_CASE("the version is told, also as a document, by all programs") {
    Workplace place;
    const Ended version = place.run({"version"}, 5s);
    CHECK(version.code == 0);
    CHECK(has(version.out, PLEAT_VERSION));
    const auto json = document(place.run({"version", "--json"}, 5s).out);
    CHECK(json.at("v") == 1);
    CHECK(json.dump().find(PLEAT_VERSION) != std::string::npos);
    for (const char* daemon : {"pleat-controller", "pleat-node"}) {
        const Ended said = run_program(place.command({our_program(daemon), "--version"}), 5s);
        INFO(daemon << said.err);
        CHECK(said.code == 0);
        CHECK(has(said.out, PLEAT_VERSION));
    }
}

TEST_CASE("doctor says what this machine can do, and leaves nothing") {
    Workplace place;
    const Ended plain = place.run({"doctor"}, 20s);
    INFO(plain.out << plain.err);
    CHECK((plain.code == 0 || plain.code == 8));
    CHECK(has(plain.out, "/dev/net/tun"));
    CHECK_FALSE(has(plain.out, "\x1b"));
    const auto json = document(place.run({"doctor", "--json"}, 20s).out);
    CHECK(json.at("v") == 1);
    CHECK(place.left_behind() == kNothing);
}

TEST_CASE("the completion for bash is a sound script that completes verbs and flags") {
    Workplace place;
    const Ended script = place.run({"completion", "bash"}, 5s);
    REQUIRE(script.code == 0);
    const std::string file = place.write("completion", script.out);
    const Ended sound = run_program(place.command({"bash", "-n", file}), 5s);
    INFO(sound.err);
    CHECK(sound.code == 0);
    const auto completed = [&](const std::string& words, int at) {
        const std::string line = "source " + file + "; COMP_WORDS=(" + words +
                                 "); COMP_CWORD=" + std::to_string(at) +
                                 "; _pleat; echo \"${COMPREPLY[*]}\"";
        return run_program(place.command({"bash", "-c", line}), 5s).out;
    };
    CHECK(completed("pleat va", 1) == "validate\n");
    CHECK(has(completed("pleat run --js", 2), "--json"));
    CHECK_FALSE(has(completed("pleat ''", 1), "replay"));
}

TEST_CASE("colours and progress are for terminals; NO_COLOR is obeyed") {
    if (!can_run_or_skips()) return;
    Workplace place;
    place.write("t.yaml", kThreeSeconds);
    const std::string line = our_program("pleat") + " run t.yaml --set '600ms: quit'";
    SECTION("a pipe gets no escape sequences") {
        const Ended ended = place.run({"run", "t.yaml", "--set", "600ms: quit"});
        CHECK(ended.code == 0);
        CHECK_FALSE(has(ended.out + ended.err, "\x1b"));
        CHECK_FALSE(has(ended.out + ended.err, "\r"));
        CHECK(has(ended.err, "hosts"));
        CHECK(has(ended.out, "unchecked"));
    }
    SECTION("a terminal gets colours") {
        const Ended ended = on_a_terminal(place, line, {"TERM=xterm", "COLUMNS=100"});
        INFO(ended.out);
        CHECK(ended.code == 0);
        CHECK(has(ended.out, "\x1b[3"));
    }
    SECTION("but not with NO_COLOR") {
        const Ended ended = on_a_terminal(place, line, {"TERM=xterm", "NO_COLOR=1"});
        INFO(ended.out);
        CHECK(ended.code == 0);
        CHECK_FALSE(has(ended.out, "\x1b[3"));
        CHECK_FALSE(has(ended.out, "\x1b[1m"));
    }
    SECTION("and `-q` says nothing") {
        const Ended ended = place.run({"-q", "run", "t.yaml", "--set", "600ms: quit"});
        CHECK(ended.code == 0);
        CHECK(ended.err.empty());
    }
}

TEST_CASE("a reader that goes away ends `pleat paths` quietly") {
    Workplace place;
    place.write("small.yaml", kMeasurement);
    const Ended ended = run_program(
        place.command({"bash", "-c", our_program("pleat") + " paths small.yaml | head -n 1"}), 10s);
    CHECK(ended.code == 0);
    CHECK(ended.err.empty());
}
