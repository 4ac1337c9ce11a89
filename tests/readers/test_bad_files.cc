// Every kind of bad file: what is said of it, and where.
#include "tests/readers/reading.hh"

namespace pleat::testing {

TEST_CASE("text that is no YAML is refused where it ends to be") {
    CHECK(at(error_of("hosts: {a: ,\nlinks: [")) == "2:1 yaml");
    CHECK(at(error_of("hosts:\n  a: x: y\n")) == "2:7 yaml");
    CHECK(at(error_of("")) == "1:1 empty");
    CHECK(at(error_of("- a\n- b\n")) == "1:1 bad-form");
    CHECK(at(error_of("hosts: {a: }\n---\nhosts: {b: }\n")) == "2:1 yaml");
    CHECK(at(error_of("hosts: {a: }\nname: \xff\xfe\n")) == "2:7 yaml");
}

TEST_CASE("a tab that indents is called a tab") {
    const Problem problem = error_of("hosts:\n  a:\n\tb:\n");
    CHECK(problem.line == 3);
    CHECK_THAT(problem.message, Catch::Contains("tab"));
}

TEST_CASE("brackets within brackets need quotes, which is said") {
    CHECK_THAT(error_of(small("events: [30s: set c[0]--s1 10ms]\n")).message,
               Catch::Contains("quotes"));
}

TEST_CASE("a key that stands twice is an error, with the line of the first") {
    const Problem problem = error_of("hosts:\n  a: {replicas: 1}\n  a: {replicas: 2}\n");
    CHECK(at(problem) == "3:3 duplicate-key");
    CHECK_THAT(problem.message, Catch::Contains("line 2"));
}

TEST_CASE("unknown keys are reported with the nearest known one") {
    const Problem problem = error_of(small("durration: 5s\n"));
    CHECK(at(problem) == "8:1 unknown-key");
    CHECK(problem.suggest == "duration");
    CHECK(error_of("hosts:\n  a: {comand: x}\n").suggest == "command");
    CHECK(at(error_of("hosts:\n  a: {runn: x}\n")) == "2:7 unknown-key");
    CHECK(error_of(small("defaults: {lnk: 5ms}\n")).suggest == "link");
}

TEST_CASE("unknown names are reported with the nearest known one") {
    const Problem problem = error_of(small("  - a -- s3: 5ms\n"));
    CHECK(at(problem) == "8:10 unknown-name");
    CHECK(problem.suggest == "s1");
    CHECK(at(error_of(small("events:\n  - 3s: crash aa\n"))) == "9:15 unknown-name");
    CHECK(at(error_of(small("events:\n  - 3s: set a--s9 5ms\n"))) == "9:16 unknown-name");
    CHECK(at(error_of(small("events:\n  - 3s: set a--s2 5ms\n"))) == "9:13 unknown-link");
    CHECK(error_of(small("events:\n  - 3s: crahs a\n")).suggest == "crash");
    CHECK(at(error_of(small("events:\n  - 3s: crash c[7]\n"))) == "9:15 unknown-name");
}

TEST_CASE("bad words of a link are placed one by one") {
    const ReadOutcome outcome = read(
        "hosts: {a: , b: }\n"
        "links:\n"
        "  - a -- b: 5ms 100mbps loss=5 queeu=bdp -3ms 7\n");
    REQUIRE(outcome.problems.size() == 5);
    CHECK(at(outcome.problems[0]) == "3:17 bad-value");
    CHECK(outcome.problems[0].suggest == "100Mbps");
    CHECK(at(outcome.problems[1]) == "3:25 bad-value");
    CHECK(outcome.problems[1].suggest == "5%");
    CHECK(at(outcome.problems[2]) == "3:32 unknown-key");
    CHECK(outcome.problems[2].suggest == "queue");
    CHECK(at(outcome.problems[3]) == "3:42 bad-value");
    CHECK(at(outcome.problems[4]) == "3:47 bad-value");
}

TEST_CASE("bad values in the map form are placed at the value") {
    CHECK(at(error_of("hosts: {a: , b: }\nlinks:\n  - a -- b: {latency: 5 ms}\n")) ==
          "3:23 bad-value");
    CHECK(at(error_of("hosts: {a: , b: }\nlinks:\n  - a -- b: {delay: 5ms}\n")) ==
          "3:14 unknown-key");
}

TEST_CASE("what a link's words contradict is an error") {
    const auto bad = [](const std::string& words) {
        return error_of("hosts: {a: , b: }\nlinks:\n  - a -- b: " + words + "\n").code;
    };
    CHECK(bad("5ms 6ms") == "given-twice");
    CHECK(bad("5ms rtt=10ms") == "given-twice");
    CHECK(bad("10Mbps up=5Mbps") == "given-twice");
    CHECK(bad("loss=1% loss=gemodel(1%,10%)") == "given-twice");
    CHECK(bad("loss=gemodel(1%)") == "bad-value");
    CHECK(bad("queue=0p") == "bad-value");
    CHECK(bad("queue=lots") == "bad-value");
    CHECK(bad("overhead=5000B") == "bad-value");
    CHECK(bad("dist=gauss") == "bad-value");
    CHECK(bad("latency=") == "bad-value");
    CHECK(bad("2h") == "bad-value");
    CHECK(error_of("hosts: {a: , b: }\nlinks:\n  - a -> b: up=5Mbps\n").code == "not-here");
}

TEST_CASE("a host without a link, and no host at all, are errors") {
    CHECK(at(error_of("hosts:\n  a:\n  b:\n  c:\nlinks:\n  - a -- b: 1ms\n")) == "4:3 no-link");
    CHECK(at(error_of("bridges: [s1]\n")) == "0:0 no-hosts");
    CHECK(read("hosts: {alone: }\n").ok());
}

TEST_CASE("names are unique and can be written in events") {
    CHECK(at(error_of("hosts: {a: }\nbridges: [a]\n")) == "2:11 duplicate-name");
    CHECK(at(error_of("hosts: {a: , b: }\nbridges:\n  - s--1\nlinks: [a -- b: 1ms]\n")) ==
          "3:5 bad-name");
    CHECK(at(error_of("hosts: {'a b': }\n")) == "1:9 bad-name");
    CHECK(error_of("hosts: {a: {replicas: 2}, a-1: }\nlinks: [a -- a-1: 1ms]\n").code ==
          "duplicate-name");
    CHECK(at(error_of(small("groups: {s1: [a]}\n"))) == "8:10 duplicate-name");
}

TEST_CASE("absurd sizes are refused before they are built") {
    CHECK(at(error_of("hosts: {a: {replicas: 99999999}}\n")) == "1:23 bad-value");
    CHECK(error_of("hosts: {a: {replicas: 65000}, b: }\nlinks: [a -- b: 1ms]\n").code == "limit");
    CHECK(error_of("hosts: {a: {replicas: 30000}, b: {replicas: 30000}}\nlinks: [a -- b: 1ms]\n")
              .code == "limit");
    CHECK(error_of(small("events:\n  - 0s..1000h every 1us: mark x\n")).code == "limit");
    CHECK(error_of(small("seed: -1\n")).code == "bad-value");
}

TEST_CASE("aliases of aliases are not unfolded") {
    std::string text = "x-0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
    for (int i = 1; i < 12; ++i) {
        const std::string before = "*a" + std::to_string(i - 1);
        text += "x-" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
        for (int k = 0; k < 9; ++k) text += ", " + before;
        text += "]\n";
    }
    CHECK(error_of(text).code == "limit");
}

TEST_CASE("deep nesting is refused, not followed") {
    CHECK(error_of("x-deep: " + std::string(100'000, '[')).code == "yaml");
}

TEST_CASE("an event after the end would never happen") {
    const Problem problem = error_of(small("duration: 60s\nevents:\n  - 61s: crash a\n"));
    CHECK(at(problem) == "10:5 event-after-end");
    CHECK_THAT(problem.message, Catch::Contains("60s"));
    CHECK(read(small("duration: 60s\nevents:\n  - 60s: quit\n")).ok());
    CHECK(error_of(small("duration: 60s\nevents:\n  - 50s..70s: down a--s1\n")).code ==
          "event-after-end");
}

TEST_CASE("bad times are placed in the key") {
    CHECK(at(error_of(small("events:\n  - 5: crash a\n"))) == "9:5 bad-time");
    CHECK(at(error_of(small("events:\n  - 20s..10s: crash a\n"))) == "9:5 bad-time");
    CHECK(at(error_of(small("events:\n  - 1s..2s evry 1s: crash a\n"))) == "9:12 bad-time");
    CHECK(at(error_of(small("events:\n  - 1s every 1s: crash a\n"))) == "9:5 bad-time");
    CHECK(at(error_of(small("events:\n  - 1s..5s every 0s: crash a\n"))) == "9:18 bad-time");
}

TEST_CASE("events that can't be are refused") {
    const auto bad = [](const std::string& line) {
        return error_of(small("events:\n  - 3s: " + line + "\n")).code;
    };
    CHECK(bad("crash s1") == "not-a-host");
    CHECK(bad("disconnect s1") == "not-a-host");
    CHECK(bad("set a--s1") == "missing");
    CHECK(bad("crash") == "missing");
    CHECK(bad("partition a") == "missing");
    CHECK(bad("partition a, b | a") == "bad-event");
    CHECK(bad("heal everything") == "bad-event");
    CHECK(bad("exec a -- sh -c 'oops") == "bad-command");
    CHECK(bad("exec a sh") == "missing");
    CHECK(bad("set a--s1 5ms 6ms") == "given-twice");
    CHECK(bad("set a--s1 shared") == "not-here");
    CHECK(bad("set a->s1 rtt=10ms") == "not-here");
    CHECK(bad("flap a--s1 each 5s") == "bad-event");
    CHECK(bad("churn c[*] 200%") == "bad-value");
    CHECK(error_of(small("events:\n  - 3s..5s: mark x\n")).code == "bad-event");
}

TEST_CASE("hosts that wait for each other are told") {
    CHECK(error_of("hosts:\n  a: {after: [b]}\n  b: {after: [a]}\nlinks: [a -- b: 1ms]\n").code ==
          "cycle");
    CHECK(error_of("hosts:\n  a: {after: [c]}\n  b:\nlinks: [a -- b: 1ms]\n").code ==
          "unknown-name");
}

TEST_CASE("bad fields of a host are placed at their value") {
    const auto bad = [](const std::string& field) {
        return at(error_of("hosts:\n  a: {" + field + "}\n"));
    };
    CHECK(bad("ready: {tcp: 70000}") == "2:20 bad-value");
    CHECK(bad("ready: {tcp: 1, file: x}") == "2:14 bad-form");
    CHECK(bad("ready: now") == "2:14 bad-form");
    CHECK(bad("main: yes") == "2:13 bad-value");
    CHECK(bad("start: late") == "2:14 bad-value");
    CHECK(bad("run: \"sh -c 'x\"") == "2:12 bad-command");
    CHECK(bad("run: ''") == "2:12 bad-form");
    CHECK(bad("sysctls: {kernel.panic: 1}") == "2:16 bad-name");
    CHECK(bad("replicas: 0") == "2:17 bad-value");
    CHECK(bad("run: x, image: y") == "2:22 bad-form");
}

TEST_CASE("variables that do not exist, or are made of themselves, are told") {
    CHECK(at(error_of("vars: {fast: 5ms}\nhosts: {a: , b: }\nlinks:\n  - a -- b: ${fats}\n")) ==
          "4:13 unknown-variable");
    CHECK(error_of("vars: {x: '${y}', y: '${x}'}\nhosts: {a: }\n").code == "cycle");
    ReadOptions options;
    options.variables["nope"] = "1";
    CHECK_FALSE(read(small(), options).ok());
}

TEST_CASE("an include that leads back is a cycle") {
    const std::map<std::string, std::string> files{{"b.yaml", "include: a.yaml\n"}};
    const auto load = [&](const std::string& path) -> Result<std::string> {
        const auto found = files.find(path);
        if (found == files.end()) return fail("there is no file '" + path + "'");
        return found->second;
    };
    const auto outcome = read_yaml("hosts: {a: }\ninclude: [b.yaml]\n", "a.yaml", {}, load);
    REQUIRE(outcome.problems.size() == 1);
    CHECK(outcome.problems[0].file == "b.yaml");
    CHECK(at(outcome.problems[0]) == "1:10 include-cycle");

    const auto missing = read_yaml("hosts: {a: }\ninclude: [gone.yaml]\n", "a.yaml", {}, load);
    REQUIRE(missing.problems.size() == 1);
    CHECK(at(missing.problems[0]) == "2:11 unreadable");
}

TEST_CASE("all problems are reported, in the order of the file") {
    const ReadOutcome outcome = read(
        "pleat: 2\n"
        "hosst: {}\n"
        "hosts: {a: {replcas: 2}, b: }\n"
        "links:\n"
        "  - a -- x: 5ms\n"
        "  - a -- b: 10 parsecs\n"
        "events:\n"
        "  - 3s: explode a\n");
    Lines found;
    for (const Problem& problem : outcome.problems) found.push_back(at(problem));
    CHECK(found == Lines{"1:8 version", "2:1 unknown-key", "3:13 unknown-key", "5:10 unknown-name",
                         "6:13 bad-value", "6:16 unknown-word", "8:9 unknown-action"});
}

TEST_CASE("a file that can't be read is one problem without a line") {
    const ReadOutcome outcome = read_scenario("/nonexistent/topology.yaml");
    REQUIRE(outcome.problems.size() == 1);
    CHECK(at(outcome.problems[0]) == "0:0 unreadable");
    CHECK_FALSE(read_scenario("/").ok());
}

TEST_CASE("a problem is shown with its line, a caret and a suggestion") {
    const Problem problem = error_of("hosts: {a: , b: }\nlinks:\n  - a -- b: 5ms 100mbps  # ä\n");
    CHECK(
        render(problem, false) ==
        "test.yaml:3:17: error: bandwidth '100mbps': expected a rate in bits, such as 10Mbps (bps, "
        "kbps, Mbps, Gbps or Tbps)\n"
        "  3 |   - a -- b: 5ms 100mbps  # ä\n"
        "    |                 ^\n"
        "  help: did you mean '100Mbps'?\n");
    CHECK_THAT(render(problem, true), Catch::Contains("\033[1;31merror\033[0m"));
}

TEST_CASE("columns count characters, and the caret stands under the right one") {
    const Problem problem = error_of("x-ä: {ö: 1}\nhosts: {a: , 'ü': }\n");
    CHECK(at(problem) == "2:14 bad-name");
    CHECK_THAT(render(problem, false), Catch::Contains("\n    |              ^\n"));
}

TEST_CASE("what a file says can't command the terminal") {
    Problem problem = error_of("hosts: {\"\\e[31m\": }\n");
    CHECK(render(problem, false).find('\033') == std::string::npos);
}

}  // namespace pleat::testing
