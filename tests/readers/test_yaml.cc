// What good files mean.
#include "tests/readers/reading.hh"

using namespace std::chrono_literals;

namespace pleat::testing {

using namespace literals;

TEST_CASE("a link makes two, with all that its words say") {
    const Scenario scenario = scenario_of(
        "hosts: {a: , b: }\n"
        "links:\n"
        "  - a -- b: 10ms~2ms dist=pareto up=1.5Mbps down=3Mbps loss=0.1% reorder=1% duplicate=2% "
        "corrupt=3% queue=100p overhead=wire name=x tags=wan,slow\n");
    LinkProperties expected;
    expected.latency = 10ms;
    expected.jitter = 2ms;
    expected.distribution = JitterDistribution::pareto;
    expected.bandwidth = 1500_kbps;
    expected.loss = Probability::of(0.001);
    expected.reorder = Probability::of(0.01);
    expected.duplicate = Probability::of(0.02);
    expected.corrupt = Probability::of(0.03);
    expected.queue = QueueLimit{QueueLimit::Kind::packets, 100};
    expected.overhead = Overhead{Overhead::kWire};
    const Link& forward = link_of(scenario, "a->b#x");
    CHECK(forward.properties == expected);
    CHECK(forward.tags == Lines{"slow", "wan"});
    expected.bandwidth = 3_Mbps;
    CHECK(link_of(scenario, "b->a#x").properties == expected);
}

TEST_CASE("each word of a link and of a host means what it says") {
    const auto link = [](const std::string& words) {
        return link_of(scenario_of("hosts: {a: , b: }\nlinks:\n  - a -- b: " + words + "\n"),
                       "a->b")
            .properties;
    };
    CHECK(link("1ms~1ms").distribution == JitterDistribution::normal);
    CHECK(link("1ms~1ms dist=normal").distribution == JitterDistribution::normal);
    CHECK(link("1ms~1ms dist=uniform").distribution == JitterDistribution::uniform);
    CHECK(link("1ms~1ms dist=pareto").distribution == JitterDistribution::pareto);
    CHECK(link("rtt=30ms").latency == 15ms);
    CHECK(link("1ms 1Mbps").overhead == Overhead{Overhead::kEthernet});
    CHECK(link("1ms 1Mbps overhead=ethernet").overhead == Overhead{Overhead::kEthernet});
    CHECK(link("1ms 1Mbps overhead=none").overhead == Overhead{Overhead::kNone});
    CHECK(link("1ms 1Mbps overhead=wire").overhead == Overhead{Overhead::kWire});
    CHECK(link("1ms 1Mbps overhead=18B").overhead == Overhead{18});
    CHECK(link("1ms unlimited").bandwidth == link("1ms").bandwidth);
    CHECK(link("1ms 1Mbps").queue == QueueLimit{});
    CHECK(link("1ms 1Mbps queue=bdp").queue == QueueLimit{});
    CHECK(link("1ms 1Mbps queue=256KB").queue == QueueLimit{QueueLimit::Kind::bytes, 256'000});
    CHECK(link("1ms 1Mbps queue=20ms").queue == QueueLimit{QueueLimit::Kind::time, 20'000'000});

    const Scenario hosts = scenario_of(
        "hosts:\n  a: {run: sleep 1, ready: {after: 1500ms}}\n  b: {memory: 1GB}\n"
        "links: [a -- b: 1ms]\n");
    CHECK(application_of(hosts, "a").ready == ReadyCondition{ReadyAfter{1500ms}});
    CHECK(application_of(hosts, "b").not_yet == Lines{"memory: 1GB"});
}

TEST_CASE("a host can be a machine as it is, with an address that the machine has") {
    const char* const file =
        "hosts:\n"
        "  a: {attach: 'machine:m1', address: 10.0.0.5, run: sh up.sh, stop: \"sh -c 'kill "
        "$$X'\"}\n"
        "  b: {replicas: 2, attach: 'machine:n$i', address: 10.0.1.$i}\n"
        "links: [a -- b: 1ms]\n";
    const Scenario scenario = scenario_of(file);
    const Application& a = application_of(scenario, "a");
    CHECK(a.arguments == Lines{"sh", "up.sh"});
    CHECK(a.attached ==
          AttachedMachine{.machine = "m1", .ipv4 = 0x0a000005, .stop = {"sh", "-c", "kill $X"}});
    CHECK(application_of(scenario, "b[1]").attached ==
          AttachedMachine{.machine = "n1", .ipv4 = 0x0a000101, .stop = {}});
    CHECK(scenario_of(write_yaml(scenario)) == scenario);
    // Others are kept by name, and refused when they are to run.
    CHECK(application_of(scenario_of("hosts: {a: {attach: 'container:web'}, b: }\n"
                                     "links: [a -- b]\n"),
                         "a")
              .not_yet == Lines{"attach: container:web"});
}

TEST_CASE("what an attached machine lacks is told") {
    const auto with = [](const std::string& host) {
        return error_of("hosts: {a: " + host +
                        ", b: {attach: 'machine:m2', address: 10.0.0.2}}\nlinks: [a -- b]\n");
    };
    CHECK(with("{attach: 'machine:m1'}").code == "missing");
    CHECK(with("{attach: 'machine:m1', address: 10.0.0}").code == "bad-value");
    CHECK(with("{attach: 'machine:m1', address: 127.0.0.1}").code == "bad-value");
    CHECK(with("{attach: 'machine:', address: 10.0.0.1}").code == "bad-value");
    CHECK(error_of("hosts: {a: {address: 10.0.0.1}, b: }\nlinks: [a -- b]\n").code == "bad-form");
    CHECK(with("{attach: 'machine:m2', address: 10.0.0.1}").code == "duplicate-name");
    CHECK(with("{attach: 'machine:m1', address: 10.0.0.2}").code == "duplicate-name");
    CHECK(with("{attach: 'machine:m1', address: 10.0.0.1, sysctls: {net.a: 1}}").code ==
          "bad-form");
    CHECK(with("{attach: 'machine:m1', address: 10.0.0.1, place: m2}").code == "bad-form");
}

TEST_CASE("either all hosts are machines as they are, or none") {
    const Problem mixed =
        error_of("hosts:\n  a: {attach: 'machine:m1', address: 10.0.0.1}\n  b:\nlinks: [a -- b]\n");
    CHECK(mixed.code == "mixed-hosts");
    CHECK_THAT(mixed.message, Catch::Contains("host b is not attached"));
}

TEST_CASE("the map form of a link says the same") {
    const char* const one_line =
        "hosts: {a: , b: }\nlinks:\n"
        "  - a -- b: 10ms~2ms 5Mbps loss=gemodel(1%,10%,0.5,1) queue=20ms overhead=18B down "
        "tags=x\n";
    const char* const map_form =
        "hosts: {a: , b: }\nlinks:\n"
        "  - a -- b: {latency: 10ms, jitter: 2ms, bandwidth: 5Mbps, loss: "
        "'gemodel(1%,10%,0.5,1)',\n"
        "             queue: 20ms, overhead: 18B, down: true, tags: [x]}\n";
    CHECK(scenario_of(one_line) == scenario_of(map_form));
    CHECK_FALSE(link_of(scenario_of(one_line), "a->b").up);
}

TEST_CASE("fields that a link does not set come from the defaults") {
    const Scenario scenario = scenario_of(
        "defaults: {link: 1ms 1Gbps queue=256KB}\n"
        "hosts: {a: , b: }\n"
        "links: [a -- b: rtt=70ms]\n");
    const LinkProperties& properties = link_of(scenario, "a->b").properties;
    CHECK(properties.latency == 35ms);
    CHECK(properties.bandwidth == 1_Gbps);
    CHECK(properties.queue == QueueLimit{QueueLimit::Kind::bytes, 256000});
    CHECK(link_of(scenario_of("hosts: {a: , b: }\nlinks: [a -- b]\n"), "a->b").properties ==
          LinkProperties{});
}

TEST_CASE("a replicated end makes a link for each replica, two make all pairs") {
    CHECK(scenario_of("hosts: {a: {replicas: 3}}\nbridges: [s]\nlinks: [a -- s: 1ms]\n")
              .topology.links()
              .size() == 6);
    CHECK(scenario_of("hosts: {a: {replicas: 3}, b: {replicas: 2}}\nlinks: [a -- b: 1ms]\n")
              .topology.links()
              .size() == 12);
    CHECK(
        scenario_of("hosts: {a: {replicas: 3}}\nlinks: [a -- a: 1ms]\n").topology.links().size() ==
        6);
    CHECK(scenario_of("hosts: {a: {replicas: 3}}\nlinks:\n  - a[0] -- a[1..2]: 1ms\n")
              .topology.links()
              .size() == 4);
}

TEST_CASE("replicas that share a link meet at a hidden bridge") {
    const Scenario scenario = scenario_of(
        "hosts: {c: {replicas: 3}, d: {replicas: 2}}\n"
        "bridges: [s1]\n"
        "links:\n"
        "  - c -- s1: 5ms 10Mbps shared\n"
        "  - d -- s1: 1ms\n"
        "events:\n"
        "  - 5s: set c--s1 20Mbps\n");
    CHECK(scenario.topology.links().size() == 12);
    CHECK(link_of(scenario, "c->s1").properties.bandwidth == 10_Mbps);
    REQUIRE(scenario.topology.bridges().size() == 2);
    const Bridge& hidden = scenario.topology.bridges()[0];
    CHECK(hidden.hidden);
    CHECK(hidden.label == "c");
    // Events of the file's name concern the one real link, not those to the replicas.
    CHECK(scenario.timeline.size() == 2);
    CHECK(lines_of(scenario.timeline) == Lines{"5000ms set c--s1 20Mbps"});
    CHECK_FALSE(read("hosts: {c: {replicas: 3}}\nbridges: [s1]\nlinks: [c -- s1: shared]\n"
                     "events: [5s: 'down c[0]--s1']\n")
                    .ok());
}

TEST_CASE("two replicated ends that share have two hidden bridges") {
    const Scenario scenario =
        scenario_of("hosts: {c: {replicas: 3}, d: {replicas: 2}}\nlinks: [c -- d: 5ms shared]\n");
    CHECK(scenario.topology.bridges().size() == 2);
    CHECK(scenario.topology.links().size() == 12);
    CHECK(link_of(scenario, "c->d").properties.latency == 5ms);
}

TEST_CASE("a host's words become its application") {
    const Scenario scenario = scenario_of(
        "hosts:\n"
        "  server: {run: \"iperf3 -s --logfile '/tmp/a b'\", ready: {tcp: 5201}, user: nobody}\n"
        "  client:\n"
        "    replicas: 2\n"
        "    run: sh -c \"echo $i $name $$i $HOME $$\"\n"
        "    env: {ID: c$i}\n"
        "    sysctls: {net.ipv4.tcp_rmem: 4096 1 2}\n"
        "    ready: {file: /tmp/ready-$i}\n"
        "    after: [server]\n"
        "    main: true\n"
        "    start: manual\n"
        "    image: \n"
        "    cpus: 2\n"
        "links: [client -- server: 1ms]\n");
    const Application& server = application_of(scenario, "server");
    CHECK(server.arguments == Lines{"iperf3", "-s", "--logfile", "/tmp/a b"});
    CHECK(server.ready == ReadyCondition{ReadyWhenListening{5201}});
    CHECK(server.user == "nobody");
    const Application& client = application_of(scenario, "client[1]");
    CHECK(client.arguments == Lines{"sh", "-c", "echo 1 client[1] $i $HOME $"});
    CHECK(client.environment.at("ID") == "c1");
    CHECK(client.sysctls.at("net.ipv4.tcp_rmem") == "4096 1 2");
    CHECK(client.ready == ReadyCondition{ReadyWhenFile{"/tmp/ready-1"}});
    CHECK(client.after == std::vector{*scenario.topology.find_host("server")});
    CHECK(client.main);
    CHECK(client.manual);
    CHECK(client.not_yet == Lines{"cpus: 2"});
}

TEST_CASE("one replica may differ") {
    const Scenario scenario = scenario_of(
        "hosts:\n"
        "  c: {replicas: 2, run: sleep 1, main: true}\n"
        "  c[1]: {run: sleep 2}\n"
        "links: [c -- c: 1ms]\n");
    CHECK(application_of(scenario, "c[0]").arguments == Lines{"sleep", "1"});
    CHECK(application_of(scenario, "c[1]").arguments == Lines{"sleep", "2"});
    CHECK(application_of(scenario, "c[1]").main);
}

TEST_CASE("@outside is the machine's own network") {
    const Scenario scenario = scenario_of("hosts: {a: }\nlinks:\n  - a -- @outside: 40ms\n");
    CHECK(application_of(scenario, "outside").outside);
    CHECK(read_yaml(write_yaml(scenario), "test.yaml").scenario == scenario);
}

TEST_CASE("the top level is read") {
    const Scenario scenario = scenario_of(
        small("pleat: 1\nname: mine\nseed: 18446744073709551615\nduration: 90s\nrouting: hops\n"
              "addresses: 172.16.0.0/16\n"
              "expect: ['throughput(a -> b, 1s..2s) ~ 30Mbps ± 5%', rtt(a -> b) < 50ms]\n"
              "probes: [ping a -> b every 1s]\nmachines: {m1: 10}\nx-note: {anything: [goes]}\n"));
    CHECK(scenario.name == "mine");
    CHECK(scenario.seed == 18446744073709551615U);
    CHECK(scenario.duration == Duration{90s});
    CHECK(scenario.routing == Routing::hops);
    CHECK(scenario.addresses == "172.16.0.0/16");
    CHECK(scenario.expectations.size() == 2);
    CHECK(scenario.not_yet == Lines{"machines: {m1: 10}", "probes: [ping a -> b every 1s]"});
    CHECK(scenario_of(small()).name == "test");
    CHECK_FALSE(read(small("expect: [it works]\n")).ok());
    CHECK_FALSE(read(small("addresses: 10.0.0.0/30\n")).ok());
}

TEST_CASE("what is not yet in force is noted") {
    const ReadOutcome outcome = read(small("fidelity: {late: 1ms}\ncollect: [a]\n"));
    REQUIRE(outcome.ok());
    REQUIRE(outcome.problems.size() == 2);
    CHECK(outcome.problems[0].severity == Problem::Severity::note);
    CHECK(outcome.problems[0].code == "not-in-force");
}

TEST_CASE("names that generate: may make are not errors") {
    const ReadOutcome outcome = read(
        "generate: {kind: ring, nodes: 5}\nhosts: {a: }\nlinks: [a -- n0: 1ms]\n"
        "events: [5s: down n0--n1]\n");
    REQUIRE(outcome.ok());
    CHECK(outcome.scenario->not_yet == Lines{"generate: {kind: ring, nodes: 5}"});

    // Makes none.
    CHECK_FALSE(read("generate:\n").ok());
    CHECK_FALSE(read("generate:\nhosts: {a: }\nlinks: [a -- n0: 1ms]\n").ok());
}

TEST_CASE("a trace is kept for later, by name") {
    const Scenario scenario = scenario_of(
        "hosts: {a: , b: }\nlinks: [a -> b: 1ms trace=lte.up]\nevents: [5s: trace a->b "
        "lte.down]\n");
    CHECK(scenario.not_yet == Lines{"event 5s: trace a->b lte.down", "link a->b: trace=lte.up"});
    CHECK(read_yaml(write_yaml(scenario), "test.yaml").scenario == scenario);
}

TEST_CASE("variables are replaced everywhere, and the command line wins") {
    const std::string text =
        "vars: {n: 2, rtt: 40ms, link: 'rtt=${rtt} 10Mbps'}\n"
        "hosts: {'a${n}': {replicas: '${n}', run: 'echo $${HOME}'}}\n"
        "bridges: [s]\n"
        "links:\n  - a${n} -- s: ${link}\n";
    const Scenario scenario = scenario_of(text);
    CHECK(scenario.topology.host(HostId{1}).name == "a2[1]");
    CHECK(link_of(scenario, "a2[0]->s").properties.latency == 20ms);
    CHECK(application_of(scenario, "a2[0]").arguments == Lines{"echo", "${HOME}"});
    ReadOptions options;
    options.variables["rtt"] = "10ms";
    CHECK(link_of(scenario_of(text, options), "a2[0]->s").properties.latency == 5ms);
}

TEST_CASE("included files add to the file, which wins") {
    const std::map<std::string, std::string> files{
        {"net/core.yaml",
         "include: ../common.yaml\nbridges: [s1]\nlinks: [a -- s1: '${fast}']\nseed: 5\n"},
        {"common.yaml", "vars: {fast: 1ms}\nname: common\n"}};
    const auto load = [&](const std::string& path) -> Result<std::string> {
        const auto found = files.find(path);
        if (found == files.end()) return fail("there is no file '" + path + "'");
        return found->second;
    };
    const auto outcome = read_yaml(
        "include: [net/core.yaml, common.yaml]\nname: root\nhosts: {a: }\nvars: {fast: 2ms}\n",
        "root.yaml", {}, load);
    REQUIRE(outcome.ok());
    CHECK(outcome.scenario->name == "root");
    CHECK(outcome.scenario->seed == 5);
    CHECK(link_of(*outcome.scenario, "a->s1").properties.latency == 2ms);
}

TEST_CASE("anchors and merge keys work") {
    const Scenario scenario = scenario_of(
        "x-server: &server {run: iperf3 -s, ready: {tcp: 5201}}\n"
        "hosts:\n  a: {<<: *server, ready: {tcp: 1}}\n  b: *server\n"
        "links: [a -- b: 1ms]\n");
    CHECK(application_of(scenario, "a").ready == ReadyCondition{ReadyWhenListening{1}});
    CHECK(application_of(scenario, "b").ready == ReadyCondition{ReadyWhenListening{5201}});
}

TEST_CASE("a command that needs a shell is warned of") {
    const ReadOutcome outcome = read("hosts:\n  a: {run: ls | wc}\n");
    REQUIRE(outcome.ok());
    REQUIRE(outcome.problems.size() == 1);
    CHECK(at(outcome.problems[0]) == "2:12 no-shell");
}

TEST_CASE("events of the command line are added, or come from another file") {
    ReadOptions options;
    options.extra_events = {"30s: set a--s1 10ms", "10s..20s: down b--s2"};
    options.seed = 9;
    const Scenario scenario = scenario_of(small("events: [1s: crash a]\n"), options);
    CHECK(scenario.seed == 9);
    CHECK(lines_of(scenario.timeline) == Lines{"1000ms crash a", "10000ms+ down b--s2",
                                               "20000ms- down b--s2", "30000ms set a--s1 10ms"});

    options.extra_events = {"30s set a--s1 10ms"};
    const ReadOutcome bad = read(small(), options);
    REQUIRE(bad.problems.size() == 1);
    CHECK(bad.problems[0].file == "--set");

    ReadOptions other;
    other.events_file = "more.yaml";
    const auto load = [](const std::string&) -> Result<std::string> {
        return std::string{"- 2s: crash b\n"};
    };
    const auto outcome = read_yaml(small("events: [1s: crash a]\n"), "test.yaml", other, load);
    REQUIRE(outcome.ok());
    CHECK(lines_of(outcome.scenario->timeline) == Lines{"2000ms crash b"});
}

TEST_CASE("a link's words alone make a shell behind it") {
    const auto scenario = read_link_spec("40ms 10Mbps loss=1%");
    REQUIRE(scenario);
    CHECK(scenario->topology.hosts().size() == 2);
    CHECK(link_of(*scenario, "shell->outside").properties.latency == 40ms);
    CHECK(application_of(*scenario, "outside").outside);
    CHECK_FALSE(application_of(*scenario, "shell").outside);
    CHECK_THAT(read_link_spec("40ms 10mbps").error().message,
               Catch::Contains("did you mean '10Mbps'"));
    CHECK_FALSE(read_link_spec("shared"));
}

}  // namespace pleat::testing
