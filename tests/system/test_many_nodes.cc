// Fifty node daemons and a thousand hosts on this machine, with the plane that moves no packet:
// what joins, pushes and starts take. As root; not among the tests of every day (label scale).
#include <csignal>
#include <map>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "base/error.hh"
#include "tests/system/run_database.hh"
#include "tests/system/workplace.hh"

using namespace pleat;
using namespace pleat::system_test;
using nlohmann::json;

namespace {

constexpr const char* kController = "tcp://127.0.0.1:7411";

// A hundred changes of a link, 40 ms apart, from `begin` seconds on.
std::string topology(std::size_t hosts, int begin) {
    std::string text = fmt::format(
        "pleat: 1\nname: many\nduration: {}s\nhosts:\n  h: {{replicas: {}, run: sleep 600}}\n"
        "bridges: [s1, s2]\nlinks:\n  - h -- s1: 1ms 100Mbps\n  - s1 -- s2: 1ms 100Mbps\n"
        "events:\n",
        begin + 5, hosts);
    for (int i = 0; i < 100; ++i) {
        text +=
            fmt::format("  - {}.{:02}s: set s1--s2 {}Mbps\n", begin + i / 25, i % 25 * 4, 10 + i);
    }
    return text;
}

class Nodes {
  public:
    Nodes(std::size_t count, const std::string& plane) {
        controller_.emplace(place.command({our_program("pleat-controller"), "--state",
                                           place.path("ctl"), "--listen", kController}));
        REQUIRE(eventually(10s, [this] { return pleat({"machines", "ls"}).code == 0; }));
        for (std::size_t i = 0; i < count; ++i) {
            std::string token = pleat({"machines", "token"}).out;
            while (!token.empty() && token.back() == '\n') token.pop_back();
            const std::string name = fmt::format("m{}", i);
            nodes_.emplace_back(place.command({our_program("pleat-node"), "--name", name, "--state",
                                               place.path(name), "--join", token, "--advertise",
                                               "127.0.0.1", "--data-plane", plane}));
        }
        REQUIRE(eventually(60s, [this] { return connected() == nodes_.size(); }));
    }

    ~Nodes() {
        for (Program& node : nodes_) end(node);
        if (controller_) end(*controller_);
    }

    Nodes(const Nodes&) = delete;
    Nodes& operator=(const Nodes&) = delete;

    Ended pleat(std::vector<std::string> arguments, Duration patience = 120s) const {
        arguments.insert(arguments.end(),
                         {"--controller", "ipc://" + place.path("ctl") + "/control"});
        return place.run(std::move(arguments), patience);
    }

    bool all_live() {
        return std::ranges::none_of(nodes_, [](Program& node) { return node.ended(); });
    }

    Workplace place;

  private:
    std::size_t connected() const {
        const json list = json::parse(pleat({"machines", "ls", "--json"}).out, nullptr, false);
        if (list.is_discarded()) return 0;
        return static_cast<std::size_t>(std::ranges::count_if(
            list.at("machines"),
            [](const json& machine) { return machine.at("connected") == true; }));
    }

    static void end(Program& program) {
        static_cast<void>(program.signal(SIGTERM));
        try {
            static_cast<void>(program.finish(20s));
        } catch (const Failure&) {
            static_cast<void>(program.signal(SIGKILL));
        }
    }

    std::optional<Program> controller_;
    std::vector<Program> nodes_;
};

double milliseconds(Duration time) {
    return static_cast<double>(time.count()) * 1e-6;
}

}  // namespace

TEST_CASE("fifty nodes join and start a thousand hosts in 20 s") {
    if (!is_root_or_skips("fifty nodes") || !can_run_or_skips()) return;
    const Instant began = monotonic_now();
    Nodes nodes{50, "recording"};
    const Instant joined = monotonic_now();
    const std::string file = nodes.place.write("many.yaml", topology(1000, 5));
    const Ended run = nodes.pleat({"run", file, "--json"});
    INFO(run.err);
    REQUIRE(run.code == 0);
    const json result = document(run.out);
    CHECK(result.at("machines").size() == 50);
    CHECK(result.at("hosts").size() == 1000);
    CHECK(nodes.all_live());
    // The run itself takes the 10 s of its duration; the rest is starting and collecting.
    const Duration joins = joined - began;
    const Duration starts_and_end = run.took - 10s;
    WARN("joins " << milliseconds(joins) << " ms, push, start and collection "
                  << milliseconds(starts_and_end) << " ms");
    CHECK(joins + starts_and_end < 20s);
}

TEST_CASE("four machines of one clock switch epochs within 2 ms of each other") {
    if (!is_root_or_skips("four nodes") || !can_run_or_skips()) return;
    Nodes nodes{4, "tun"};
    const std::string file = nodes.place.write("few.yaml", topology(8, 1));
    const Ended run = nodes.pleat({"run", file, "--json"});
    INFO(run.err);
    REQUIRE(run.code == 0);
    const std::string name = document(run.out).at("run");
    const std::vector<Duration> between =
        switch_skews(nodes.place.path("ctl/runs/" + name + "/run.db"));
    REQUIRE(between.size() == 100);
    WARN("skew p50 " << milliseconds(between[50]) << " ms, p99 " << milliseconds(between[98])
                     << " ms, most " << milliseconds(between[99]) << " ms");
    CHECK(between[98] < 2ms);
}
