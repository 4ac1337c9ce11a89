// The main path: a topology goes in, applications run, a run directory and a document
// come out.
#include <algorithm>
#include <filesystem>
#include <set>

#include <catch2/catch.hpp>
#include <sqlite3.h>

#include "base/files.hh"
#include "tests/system/topologies.hh"
#include "tests/system/workplace.hh"

using namespace pleat;
using namespace pleat::system_test;
using nlohmann::json;

namespace fs = std::filesystem;

namespace {

// The directory of the only run made in the workplace.
fs::path run_directory(const Workplace& place) {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator{place.path("pleat-runs")}) {
        if (entry.is_directory() && !entry.is_symlink()) found.push_back(entry.path());
    }
    REQUIRE(found.size() == 1);
    return found.front();
}

std::string log_of(const Workplace& place, const std::string& host) {
    return read_file((run_directory(place) / "logs" / (host + ".log")).string())
        .value_or("(no log)");
}

std::set<std::string> keys(const json& object) {
    std::set<std::string> result;
    for (const auto& [key, value] : object.items()) result.insert(key);
    return result;
}

// "ok" when the file is a sound database.
std::string integrity(const std::string& file) {
    sqlite3* database = nullptr;
    std::string verdict = "cannot open " + file;
    if (::sqlite3_open_v2(file.c_str(), &database, SQLITE_OPEN_READWRITE, nullptr) == SQLITE_OK) {
        const auto keep = [](void* text, int, char** columns, char**) {
            *static_cast<std::string*>(text) = columns[0];
            return 0;
        };
        ::sqlite3_exec(database, "PRAGMA integrity_check", keep, &verdict, nullptr);
    }
    ::sqlite3_close(database);
    return verdict;
}

// The numbers of a query's first column.
std::vector<double> column(const std::string& file, const std::string& query) {
    sqlite3* database = nullptr;
    REQUIRE(::sqlite3_open_v2(file.c_str(), &database, SQLITE_OPEN_READONLY, nullptr) == SQLITE_OK);
    std::vector<double> numbers;
    const auto keep = [](void* all, int, char** columns, char**) {
        static_cast<std::vector<double>*>(all)->push_back(std::stod(columns[0]));
        return 0;
    };
    const int done = ::sqlite3_exec(database, query.c_str(), keep, &numbers, nullptr);
    ::sqlite3_close(database);
    REQUIRE(done == SQLITE_OK);
    return numbers;
}

json only_host(const json& result, const std::string& name) {
    for (const json& host : result.at("hosts")) {
        if (host.at("name") == name) return host;
    }
    FAIL("no host " << name << " in " << result.at("hosts").dump());
    return {};
}

}  // namespace

TEST_CASE("a run gives a document as the manual says, a run directory, and leaves nothing else") {
    if (!can_run_or_skips()) return;
    Workplace place;
    place.write("small.yaml", kMeasurement);
    const Ended ended = place.run({"run", "small.yaml", "--json"});
    INFO(ended.err);
    REQUIRE(ended.code == 0);
    const json result = document(ended.out);

    for (const char* key :
         {"v", "run", "name", "seed", "data_plane", "machines", "directory", "verdict", "reasons",
          "epochs", "flows", "hosts", "probes", "control"}) {
        INFO(key);
        CHECK(result.contains(key));
    }
    CHECK(result.at("v") == 1);
    CHECK(result.at("name") == "small");
    CHECK(result.at("seed") == 7);
    CHECK(result.at("data_plane") == "tun");
    CHECK(result.at("machines") == json::array({"local"}));
    CHECK(result.at("verdict") == "unchecked");
    CHECK(result.at("reasons").is_array());
    CHECK(result.at("probes") == json::array());
    const std::string run = result.at("run");
    CHECK(run.starts_with("r-"));
    CHECK(result.at("directory") == "pleat-runs/" + run);

    SECTION("epochs: planned and how late") {
        REQUIRE(result.at("epochs").is_array());
        const json& epoch = result.at("epochs").back();
        CHECK(keys(epoch) == std::set<std::string>{"epoch", "planned_s", "late_us", "events"});
        CHECK(epoch.at("epoch") == 1);
        CHECK(epoch.at("planned_s").get<double>() == Approx(0.3));
        CHECK(epoch.at("late_us").is_number());
        CHECK(epoch.at("late_us") >= 0);
        CHECK(epoch.at("late_us") < 200'000);
        CHECK(epoch.at("events") == json::array({"set client--s1 10Mbps"}));
    }
    SECTION("flows: three columns of one length, and the rates are those of the file") {
        bool found = false;
        for (const json& flow : result.at("flows")) {
            CHECK(keys(flow) ==
                  std::set<std::string>{"src", "dst", "t_s", "allowed_bps", "measured_bps"});
            CHECK(flow.at("t_s").size() == flow.at("allowed_bps").size());
            CHECK(flow.at("t_s").size() == flow.at("measured_bps").size());
            if (flow.at("src") != "client" || flow.at("dst") != "server[0]") continue;
            found = true;
            REQUIRE(flow.at("t_s").size() >= 5);
            double most = 0;
            for (const json& rate : flow.at("measured_bps")) {
                most = std::max(most, rate.get<double>());
            }
            CHECK(most > 5e6);
            CHECK(most < 24e6);
        }
        CHECK(found);
    }
    SECTION("hosts: address, exit code, when they started, where their log is") {
        const json client = only_host(result, "client");
        CHECK(keys(client) ==
              std::set<std::string>{"name", "address", "exit_code", "started_s", "log"});
        CHECK(client.at("exit_code") == 0);
        CHECK(client.at("address") == "10.0.0.1");
        CHECK(client.at("started_s").get<double>() == Approx(0.0).margin(0.2));
        CHECK(client.at("log") == "logs/client.log");
        const json server = only_host(result, "server[0]");
        CHECK(server.at("log") == "logs/server[0].log");
        CHECK(server.at("started_s").get<double>() < 0);  // it has a ready condition
        CHECK(result.at("hosts").size() == 3);
    }
    SECTION("control: what the sharers sent") {
        CHECK(keys(result.at("control")) == std::set<std::string>{"messages_sent", "bytes_sent"});
        CHECK(result.at("control").at("messages_sent") > 0);
        CHECK(result.at("control").at("bytes_sent") > 0);
    }
    SECTION("the run directory") {
        const fs::path directory = run_directory(place);
        CHECK(directory.filename() == run);
        CHECK(fs::file_size(directory / "topology.yaml") > 0);
        CHECK(integrity((directory / "run.db").string()) == "ok");
        const std::string database = (directory / "run.db").string();
        const std::vector<double> at_s =
            column(database,
                   "SELECT s.at_ns / 1e9 FROM sample s JOIN host h ON h.host = s.source "
                   "JOIN host d ON d.host = s.destination "
                   "WHERE h.name = 'client' AND d.name = 'server[0]' ORDER BY s.at_ns");
        REQUIRE(at_s.size() >= 8);
        for (std::size_t i = 1; i < at_s.size(); ++i) {
            CHECK(at_s[i] - at_s[i - 1] == Approx(0.1).margin(0.05));
        }
        CHECK(column(database, "SELECT count(*) FROM share WHERE share_bps > 0").at(0) >= 2);
        CHECK(column(database, "SELECT count(*) FROM demand").at(0) >= 2);
        // How late the plane was goes with the samples while there is traffic.
        CHECK(column(database, "SELECT count(*) FROM lateness WHERE at_ns > 0").at(0) >= 8);
        CHECK(column(database, "SELECT max(worst_ns) FROM lateness").at(0) > 0);
        CHECK(column(database,
                     "SELECT value - (SELECT max(worst_ns) FROM lateness) FROM total "
                     "WHERE counter = 'delivery_lateness_max_ns'")
                  .at(0) >= 0);
        CHECK(column(database, "SELECT count(*) FROM host_event").at(0) >= 3);
        const json manifest =
            document(read_file((directory / "manifest.json").string()).value_or(""));
        CHECK(manifest.dump().find("small") != std::string::npos);
        const json iperf = document(log_of(place, "client"));
        const double received = iperf.at("end").at("sum_received").at("bits_per_second");
        CHECK(received > 4e6);
        CHECK(received < 20e6);
        CHECK(fs::exists(directory / "logs" / "server[0].log"));
        // What is stored can be run again.
        const Ended again = place.run({"validate", (directory / "topology.yaml").string()});
        INFO(again.err);
        CHECK(again.code == 0);
    }
    CHECK(place.left_behind() == kNothing);
}

TEST_CASE("names resolve on every host: each replica, and the replicated name as all of them") {
    if (!can_run_or_skips()) return;
    Workplace place;
    place.write("names.yaml", R"(pleat: 1
name: names
duration: 20s
hosts:
  server: {replicas: 2}
  client: {main: true, run: "sh -c 'getent hosts server-1; getent ahostsv4 server; getent hosts client; hostname; cat /etc/hosts'"}
links:
  - client -- s1: 1ms
  - s1 -- server: 1ms
bridges: [s1]
)");
    const Ended ended = place.run({"run", "names.yaml"});
    INFO(ended.err);
    REQUIRE(ended.code == 0);
    const std::string log = log_of(place, "client");
    INFO(log);
    CHECK(has(log, "10.0.0.1"));  // client, for `getent hosts client`
    CHECK(has(log, "10.0.0.2"));
    CHECK(has(log, "10.0.0.3"));
    CHECK(has(log, "server-0"));
    CHECK(has(log, "server-1"));
    CHECK_FALSE(has(log, "(no log)"));
}

TEST_CASE("hosts reach each other over IPv4 and IPv6 with the round-trip time of the file") {
    if (!can_run_or_skips()) return;
    Workplace place;
    place.write("ping.yaml", R"(pleat: 1
name: ping
duration: 20s
hosts:
  a: {main: true, run: "sh -c 'ping -4 -n -c 3 -i 0.2 b && ping -6 -n -c 3 -i 0.2 b'"}
  b: {}
links:
  - a -- b: 20ms 10Mbps
)");
    const Ended ended = place.run({"run", "ping.yaml"});
    const std::string log = log_of(place, "a");
    INFO(ended.err << log);
    REQUIRE(ended.code == 0);
    std::vector<double> least;
    for (std::size_t at = log.find("rtt min/"); at != std::string::npos;
         at = log.find("rtt min/", at + 1)) {
        least.push_back(std::stod(log.substr(log.find("= ", at) + 2)));
    }
    REQUIRE(least.size() == 2);
    for (const double milliseconds : least) {
        CHECK(milliseconds >= 40.0);
        CHECK(milliseconds < 46.0);
    }
}

TEST_CASE(
    "packets go where `pleat paths` says, also with `routing: hops` and several links to a host") {
    if (!can_run_or_skips()) return;
    // The server has two links, the quick one a bridge further away; the client has two to one
    // bridge.
    const std::string routing = GENERATE("hops", "latency");
    INFO(routing);
    Workplace place;
    place.write("t.yaml", "pleat: 1\nname: routing\nrouting: " + routing + R"(
hosts:
  client: {main: true, run: "ping -n -c 5 -i 0.2 server"}
  server: {}
bridges: [s1, s2]
links:
  - client -- s1: 5ms name=slow
  - client -- s1: 2ms name=quick
  - s1 -- s2: 1ms
  - s1 -- server: 30ms
  - s2 -- server: 1ms
)");
    const Ended paths = place.run({"paths", "t.yaml", "client", "server", "--json"});
    INFO(paths.out << paths.err);
    REQUIRE(paths.code == 0);
    const json rows = document(paths.out);
    const Ended ended = place.run({"run", "t.yaml"});
    const std::string log = log_of(place, "client");
    INFO(ended.err << log);
    REQUIRE(ended.code == 0);
    const auto least = std::stod(log.substr(log.find("= ", log.find("rtt min/")) + 2));
    const double expected = routing == "hops" ? 64.0 : 8.0;
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].at("rtt_us") == expected * 1000);
    CHECK(rows[0].at("latency_us") == expected * 500);
    CHECK(least >= expected);
    CHECK(least < expected + 6.0);
}

TEST_CASE("a main host that fails makes the run exit with 1, and the message names it") {
    if (!can_run_or_skips()) return;
    Workplace place;
    place.write("fails.yaml", one_command("sh -c 'echo its last words; exit 7'"));
    const Ended ended = place.run({"run", "fails.yaml", "--json"});
    INFO(ended.err);
    CHECK(ended.code == 1);
    CHECK(only_host(document(ended.out), "a").at("exit_code") == 7);
    CHECK(has(ended.err, "a"));
    CHECK(has(ended.err, "7"));
    CHECK(has(log_of(place, "a"), "its last words"));
    CHECK(place.left_behind() == kNothing);
}

TEST_CASE("a host that is not main may fail") {
    if (!can_run_or_skips()) return;
    Workplace place;
    place.write("t.yaml", R"(pleat: 1
name: other
duration: 20s
hosts:
  a: {main: true, run: sleep 0.3}
  b: {run: "sh -c 'exit 3'"}
links:
  - a -- b: 1ms
)");
    const Ended ended = place.run({"run", "t.yaml", "--json"});
    INFO(ended.err);
    CHECK(ended.code == 0);
    CHECK(only_host(document(ended.out), "b").at("exit_code") == 3);
}

TEST_CASE("an application that can't be started fails the run at once and by name") {
    if (!can_run_or_skips()) return;
    Workplace place;
    SECTION("no such program") {
        place.write("t.yaml", one_command("/no/such/program --flag"));
        const Ended ended = place.run({"run", "t.yaml"}, 15s);
        INFO(ended.err);
        CHECK(ended.code == 1);
        CHECK(has(ended.err, "/no/such/program"));
    }
    SECTION("not executable") {
        place.write("t.yaml", one_command("/etc/passwd"));
        const Ended ended = place.run({"run", "t.yaml"}, 15s);
        INFO(ended.err);
        CHECK(ended.code == 1);
        CHECK(has(ended.err, "/etc/passwd"));
    }
    SECTION("one that the ready barrier waits for ends at once") {
        place.write("t.yaml", R"(pleat: 1
name: t
duration: 5s
hosts:
  a: {run: "sh -c 'echo cannot serve; exit 4'", ready: {tcp: 80}}
  b: {run: sleep 60}
links:
  - a -- b: 1ms
)");
        const Ended ended = place.run({"run", "t.yaml"}, 15s);
        INFO(ended.err);
        CHECK(ended.code == 1);
        CHECK(has(ended.err, "a"));
    }
    CHECK(place.left_behind() == kNothing);
}

TEST_CASE("a run ends at its duration, with whatever still runs") {
    if (!can_run_or_skips()) return;
    Workplace place;
    place.write("t.yaml", R"(pleat: 1
name: t
duration: 1s
hosts:
  a: {run: "sh -c 'trap \"echo told to end; exit 0\" TERM; echo up; while :; do sleep 0.05; done'"}
  stubborn: {run: "sh -c 'trap \"\" TERM; while :; do sleep 0.05; done'"}
links:
  - a -- stubborn: 1ms
)");
    const Ended ended = place.run({"run", "t.yaml", "--json"});
    INFO(ended.err);
    CHECK(ended.code == 0);
    CHECK(ended.took > 1s);
    CHECK(ended.took < 6s);  // SIGTERM, 2 s, SIGKILL
    CHECK(has(log_of(place, "a"), "told to end"));
    CHECK(only_host(document(ended.out), "stubborn").at("exit_code") == 137);
}

TEST_CASE("`--no-apps` starts nothing, `--set` adds an event, `--seed` and `--out` are obeyed") {
    if (!can_run_or_skips()) return;
    Workplace place;
    place.write("t.yaml", kThreeSeconds);
    const Ended ended = place.run({"run", "t.yaml", "--no-apps", "--set", "0.4s: quit", "--seed",
                                   "99", "--out", "elsewhere", "--json"});
    INFO(ended.err);
    REQUIRE(ended.code == 0);
    CHECK(ended.took < 3s);
    const json result = document(ended.out);
    CHECK(result.at("seed") == 99);
    CHECK(only_host(result, "a").at("exit_code").is_null());
    const std::string run = result.at("run");
    CHECK(fs::exists(place.path("elsewhere/" + run + "/run.db")));
    CHECK_FALSE(fs::exists(place.path("pleat-runs")));
}

TEST_CASE("Kollaps' XML is imported, and is read as it is by every verb that takes a file") {
    if (!can_run_or_skips()) return;
    Workplace place;
    place.write("small.xml", R"(<experiment>
  <services>
    <service name="client" image="acme/client:1"/>
    <service name="server" image="acme/server:1" replicas="2"/>
  </services>
  <bridges><bridge name="s1"/></bridges>
  <links>
    <link origin="client" dest="s1" latency="5" upload="20Mbps" download="10Mbps" network="n"/>
    <link origin="s1" dest="server" latency="7.5" upload="100Mbps" download="100Mbps" network="n"/>
  </links>
  <dynamic>
    <schedule origin="client" dest="s1" time="1" latency="15"/>
  </dynamic>
</experiment>
)");
    const Ended imported = place.run({"import", "kollaps", "small.xml"}, 10s);
    INFO(imported.err);
    REQUIRE(imported.code == 0);
    place.write("small.yaml", imported.out);
    for (const std::string file : {"small.xml", "small.yaml"}) {
        INFO(file);
        CHECK(place.run({"validate", file}, 10s).code == 0);
    }
    for (const std::string at : {"0s", "2s"}) {
        const Ended xml = place.run({"paths", "small.xml", "--at", at, "--json"}, 10s);
        const Ended yaml = place.run({"paths", "small.yaml", "--at", at, "--json"}, 10s);
        REQUIRE(xml.code == 0);
        const json paths = document(xml.out);
        CHECK(paths == document(yaml.out));
        CHECK(has(paths.dump(), at == "0s" ? "12500" : "22500"));
    }
    // No image is run yet: that is said, and nothing else is wrong with it.
    const Ended refused = place.run({"run", "small.xml"}, 10s);
    INFO(refused.err);
    CHECK(refused.code == 3);
    CHECK(has(refused.err, "image"));
    CHECK(place.left_behind() == kNothing);
}
