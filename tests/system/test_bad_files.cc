// Bad files at every door: a clear message that names the trouble, the right exit code,
// within seconds. `validate` and `run` refuse alike.
#include <algorithm>
#include <filesystem>
#include <fstream>

#include <catch2/catch.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.hh"
#include "tests/system/topologies.hh"
#include "tests/system/workplace.hh"

using namespace pleat;
using namespace pleat::system_test;
using nlohmann::json;

namespace {

struct BadFile {
    std::string what;
    std::string content;
    std::vector<std::string> said;  // each must be in the message
};

// A sound file, the given lines in place of its links and events.
std::string with(const std::string& links, const std::string& events = {}) {
    return "pleat: 1\nname: t\nduration: 10s\nhosts:\n  server: {run: sleep 1}\n"
           "  client: {run: sleep 1}\nbridges: [s1]\nlinks:\n" +
           links + (events.empty() ? "" : "events:\n" + events);
}

const std::string usual_links = "  - client -- s1: 5ms 10Mbps\n  - s1 -- server: 5ms\n";

const std::vector<BadFile> bad_files{
    {"malformed YAML", "pleat: 1\nhosts: {a: {run: x\nlinks: [", {":"}},
    {"a tab where YAML wants blanks", "pleat: 1\nhosts:\n\ta: {}\n", {":3:"}},
    {"not a mapping", "- a\n- b\n", {}},
    {"an empty file", "", {}},
    {"only a comment", "# nothing\n", {}},
    {"no hosts at all", "pleat: 1\nname: t\n", {"host"}},
    {"an empty topology", "pleat: 1\nname: t\nhosts: {}\nlinks: []\n", {"host"}},
    {"a host without a link",
     "pleat: 1\nname: t\nhosts: {a: {}, b: {}, lonely: {}}\nlinks:\n  - a -- b: 1ms\n",
     {"lonely"}},
    {"an unknown point in a link",
     with("  - clinet -- s1: 5ms\n  - s1 -- server: 5ms\n"),
     {"clinet", "'client'"}},
    {"an unknown host in an event",
     with(usual_links, "  - 1s: crash sever\n"),
     {"sever", "'server'"}},
    {"an unknown link in an event",
     with(usual_links, "  - 1s: set client--server 10ms\n"),
     {"client--server"}},
    {"an unknown action", with(usual_links, "  - 1s: crahs server\n"), {"crahs", "'crash'"}},
    {"an unknown key", "pleat: 1\nname: t\nhots: {a: {}}\nlinks: []\n", {"hots", "'hosts'"}},
    {"an unknown property of a host",
     "pleat: 1\nhosts: {a: {rum: x}, b: {}}\nlinks:\n  - a -- b: 1ms\n",
     {"rum", "'run'"}},
    {"a key twice",
     "pleat: 1\nname: t\nname: u\nhosts: {a: {}, b: {}}\nlinks:\n  - a -- b: 1ms\n",
     {"name"}},
    {"a host twice",
     "pleat: 1\nhosts:\n  a: {}\n  a: {}\n  b: {}\nlinks:\n  - a -- b: 1ms\n",
     {"'a'"}},
    {"a host and a bridge of one name",
     "pleat: 1\nhosts: {a: {}, b: {}}\nbridges: [a]\nlinks:\n  - a -- b: 1ms\n",
     {"'a'"}},
    {"a link of a point to itself", with(usual_links + "  - s1 -- s1: 1ms\n"), {"s1"}},
    {"a negative latency", with("  - client -- s1: -5ms\n  - s1 -- server: 5ms\n"), {"-5ms"}},
    {"a negative rate", with("  - client -- s1: -5Mbps\n  - s1 -- server: 5ms\n"), {"-5Mbps"}},
    {"an absurd rate",
     with("  - client -- s1: 99999999999999999999Gbps\n  - s1 -- server: 5ms\n"),
     {"99999999999999999999Gbps"}},
    {"an absurd latency",
     with("  - client -- s1: 99999999999999999999s\n  - s1 -- server: 5ms\n"),
     {"99999999999999999999s"}},
    {"a rate of nothing", with("  - client -- s1: 0Mbps\n  - s1 -- server: 5ms\n"), {"0Mbps"}},
    {"a loss above one", with("  - client -- s1: loss=101%\n  - s1 -- server: 5ms\n"), {"101%"}},
    {"a loss that is no number",
     with("  - client -- s1: loss=nan\n  - s1 -- server: 5ms\n"),
     {"nan"}},
    {"bytes instead of bits",
     with("  - client -- s1: 10MBps\n  - s1 -- server: 5ms\n"),
     {"10MBps", "80Mbps"}},
    {"a number without a unit", with("  - client -- s1: 10\n  - s1 -- server: 5ms\n"), {"10"}},
    {"an unknown token",
     with("  - client -- s1: quue=bdp\n  - s1 -- server: 5ms\n"),
     {"quue", "queue"}},
    {"an event after the end", with(usual_links, "  - 11s: crash server\n"), {"11s", "10s"}},
    {"an event before the start", with(usual_links, "  - -1s: crash server\n"), {"-1s"}},
    {"a while that ends before it begins",
     with(usual_links, "  - 5s..2s: down client--s1\n"),
     {"5s..2s"}},
    {"more events than anybody wants",
     with(usual_links, "  - 0s..10s every 1ns: set client--s1 5ms\n"),
     {}},
    {"a version of the future",
     "pleat: 2\nname: t\nhosts: {a: {}, b: {}}\nlinks:\n  - a -- b: 1ms\n",
     {"2"}},
    {"replicas without number",
     "pleat: 1\nhosts: {a: {replicas: 1000000000}, b: {}}\nlinks:\n  - a -- b: 1ms\n",
     {"1000000000"}},
    {"negative replicas",
     "pleat: 1\nhosts: {a: {replicas: -1}, b: {}}\nlinks:\n  - a -- b: 1ms\n",
     {"-1"}},
    {"a port that is none",
     "pleat: 1\nhosts: {a: {run: x, ready: {tcp: 70000}}, b: {}}\nlinks:\n  - a -- b: 1ms\n",
     {"70000"}},
    {"quotes that don't end",
     "pleat: 1\nhosts: {a: {run: \"sh -c 'x\"}, b: {}}\nlinks:\n  - a -- b: 1ms\n",
     {"quot"}},
    {"hosts that wait for each other",
     "pleat: 1\nhosts: {a: {run: x, after: [b]}, b: {run: x, after: [a]}}\nlinks:\n  - a -- b: "
     "1ms\n",
     {"after"}},
    {"a file that includes itself",
     "pleat: 1\ninclude: bad.yaml\nhosts: {a: {}, b: {}}\nlinks:\n  - a -- b: 1ms\n",
     {"bad.yaml"}},
    {"a file included that is not there",
     "pleat: 1\ninclude: nowhere.yaml\nhosts: {a: {}, b: {}}\nlinks:\n  - a -- b: 1ms\n",
     {"nowhere.yaml"}},
    {"malformed XML", "<experiment><services><service name=\"a\"", {":"}},
    {"another XML", "<html><body/></html>", {}},
    {"an XML that grows",
     "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b "
     "\"&a;&a;&a;&a;\">]><experiment>&b;</experiment>",
     {}},
    {"binary garbage",
     std::string("\x7f"
                 "ELF\0\0\xff\xfe\x80\x81\n\0\n",
                 13),
     {}},
    {"a YAML that doubles",
     "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c "
     "[*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e "
     "[*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: &g "
     "[*f,*f,*f,*f,*f,*f,*f,*f,*f]\nh: &h [*g,*g,*g,*g,*g,*g,*g,*g,*g]\nhosts: *h\n",
     {}},
    {"brackets without end", std::string(200'000, '['), {}},
};

}  // namespace

TEST_CASE("a bad file is refused with exit code 3 and a message that says what and where") {
    Workplace place;
    for (const BadFile& bad : bad_files) {
        place.write("bad.yaml", bad.content);
        for (const char* verb : {"validate", "run", "paths"}) {
            const Ended ended = place.run({verb, "bad.yaml"}, 10s);
            INFO(verb << ", " << bad.what << "\n"
                      << ended.out.substr(0, 2000) << ended.err.substr(0, 2000));
            CHECK(ended.code == 3);
            const std::string said = ended.out + ended.err;
            CHECK(has(said, "bad.yaml"));
            for (const std::string& word : bad.said) {
                INFO("expected in it: " << word);
                CHECK(has(said, word));
            }
        }
    }
    CHECK_FALSE(std::filesystem::exists(place.path("pleat-runs")));
}

TEST_CASE("validate reports all problems, each with its line, and as a document") {
    Workplace place;
    place.write("bad.yaml", with("  - clinet -- s1: 5ms\n  - s1 -- server: 10MBps\n",
                                 "  - 1s: crahs server\n"));
    const Ended ended = place.run({"validate", "bad.yaml", "--json"}, 10s);
    CHECK(ended.code == 3);
    const json problems = document(ended.out).at("problems");
    REQUIRE(problems.size() >= 3);
    std::vector<int> lines;
    for (const json& problem : problems) {
        for (const char* key :
             {"file", "line", "column", "severity", "code", "message", "suggest"}) {
            INFO(key << " in " << problem.dump());
            CHECK(problem.contains(key));
        }
        CHECK(problem.at("file") == "bad.yaml");
        if (problem.at("severity") == "error") lines.push_back(problem.at("line"));
    }
    for (const int line : {9, 10, 12}) {
        INFO("line " << line << " of " << problems.dump());
        CHECK(std::find(lines.begin(), lines.end(), line) != lines.end());
    }
    const Ended plain = place.run({"validate", "bad.yaml"}, 10s);
    CHECK(has(plain.out + plain.err, "bad.yaml:9:"));
    CHECK(has(plain.out + plain.err, "^"));
}

TEST_CASE("a sound file has no problems") {
    Workplace place;
    place.write("small.yaml", kMeasurement);
    const Ended ended = place.run({"validate", "small.yaml", "--json"}, 10s);
    CHECK(ended.code == 0);
    CHECK(document(ended.out).at("problems") == json::array());
}

TEST_CASE("what is no file to read is refused, and nothing waits for it") {
    Workplace place;
    std::filesystem::create_directory(place.path("directory"));
    check("cannot make a pipe", ::mkfifo(place.path("pipe").c_str(), 0600));
    place.write("forbidden", kMeasurement);
    for (const std::string file : {"missing.yaml", "directory", "pipe", "/dev/zero"}) {
        for (const char* verb : {"validate", "run"}) {
            const Ended ended = place.run({verb, file}, 10s);
            INFO(verb << " " << file << ": " << ended.err);
            CHECK((ended.code == 1 || ended.code == 3));
            CHECK(has(ended.out + ended.err, file));
        }
    }
}

TEST_CASE("a huge file is refused before it fills the memory") {
    Workplace place;
    place.write("huge.yaml", "pleat: 1\n");
    std::filesystem::resize_file(place.path("huge.yaml"), std::uintmax_t{1} << 32U);
    const Ended ended = run_program(place.command({"prlimit", "--as=2000000000",
                                                   our_program("pleat"), "validate", "huge.yaml"}),
                                    10s);
    INFO(ended.err);
    CHECK(ended.code == 3);
    CHECK(has(ended.out + ended.err, "huge.yaml"));
}

TEST_CASE("what no data plane can do yet is refused by name at `run`, though it is valid") {
    if (!can_run_or_skips()) return;
    Workplace place;
    std::ofstream{place.path("rates.down")} << "1000\n";
    place.write("trace.yaml",
                with("  - client -- s1: 5ms trace=rates.down\n  - s1 -- server: 5ms\n"));
    place.write("image.yaml",
                "pleat: 1\nhosts: {a: {image: nginx}, b: {}}\nlinks:\n  - a -- b: 1ms\n");
    for (const auto& [file, name] : {std::pair{"trace.yaml", "trace"}, {"image.yaml", "image"}}) {
        CHECK(place.run({"validate", file}, 10s).code == 0);
        const Ended ended = place.run({"run", file}, 10s);
        INFO(file << ended.err);
        CHECK(ended.code == 3);
        CHECK(has(ended.err, name));
    }
    // A plane that exists but can't work here ends with 8: see test_planes.cc.
    place.write("t.yaml", kThreeSeconds);
    const Ended plane = place.run({"run", "t.yaml", "--data-plane", "tnu"}, 10s);
    INFO(plane.err);
    CHECK(plane.code == 2);
    CHECK(has(plane.err, "tnu"));
}

TEST_CASE("unknown hosts and times beyond the run are refused by `paths`") {
    Workplace place;
    place.write("small.yaml", kMeasurement);
    const Ended host = place.run({"paths", "small.yaml", "clinet", "server[0]"}, 10s);
    INFO(host.err);
    CHECK(host.code == 6);
    CHECK(has(host.err, "'client'"));
    for (const std::string at : {"21s", "-1s", "soon", "99999999999999999999s"}) {
        const Ended ended = place.run({"paths", "small.yaml", "--at", at}, 10s);
        INFO(at << ": " << ended.err);
        CHECK((ended.code == 2 || ended.code == 6));
        CHECK(has(ended.err, at));
    }
    const json rows = document(place.run({"paths", "small.yaml", "--json", "--at", "1s"}, 10s).out);
    REQUIRE(rows.size() == 6);
    const json& row = rows.front();
    for (const char* key : {"src", "dst", "epoch", "latency_us", "rtt_us", "jitter_us", "loss",
                            "bandwidth_bps", "hops"}) {
        CHECK(row.contains(key));
    }
    CHECK(row.at("src") == "client");
    CHECK(row.at("latency_us") == 10'000);
    CHECK(row.at("rtt_us") == 20'000);
    CHECK(row.at("bandwidth_bps") == 10'000'000);
    CHECK(row.at("hops") == json::array({"client", "s1", "server[0]"}));
}
