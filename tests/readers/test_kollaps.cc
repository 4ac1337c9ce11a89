// Kollaps' XML.
#include "tests/readers/reading.hh"

using namespace std::chrono_literals;

namespace pleat::testing {

using namespace literals;

namespace {

// A topology around some services, links and a schedule.
std::string kollaps(const std::string& links, const std::string& dynamic = {},
                    const std::string& services = {}) {
    return "<?xml version='1.0'?>\n"
           "<!-- a comment before the root, which Kollaps itself can't read -->\n"
           "<experiment boot='kollaps:2.0'>\n"
           "<services><service name='a' image='i:1' command=\"['x']\"/><service name='b' "
           "image='i:1'/>" +
           services + "</services>\n<bridges><bridge name='s'/></bridges>\n<links>\n" + links +
           "\n</links>\n" + (dynamic.empty() ? "" : "<dynamic>\n" + dynamic + "\n</dynamic>\n") +
           "</experiment>\n";
}

constexpr const char* kLinks =
    "<link origin='a' dest='s' latency='2' upload='1Gbps' download='1Gbps'/>\n"
    "<link origin='s' dest='b' latency='18.5' jitter='0.7' drop='0.001' "
    "upload='1.5Mbps' "
    "download='640Kbps'/>";

ReadOutcome read_xml(const std::string& text) {
    return read_kollaps(text, "test.xml", {}, no_files);
}

Scenario good(const std::string& text) {
    ReadOutcome outcome = read_xml(text);
    for (const Problem& problem : outcome.problems) UNSCOPED_INFO(render(problem, false));
    REQUIRE(outcome.ok());
    return std::move(*outcome.scenario);
}

Problem bad(const std::string& text) {
    std::vector<Problem> errors;
    for (const Problem& problem : read_xml(text).problems) {
        UNSCOPED_INFO(render(problem, false));
        if (problem.severity == Problem::Severity::error) errors.push_back(problem);
    }
    REQUIRE(errors.size() == 1);
    return errors.front();
}

}  // namespace

TEST_CASE("Kollaps' numbers are read exactly, in its units") {
    const Scenario scenario = good(kollaps(kLinks));
    const LinkProperties& forward = link_of(scenario, "s->b").properties;
    CHECK(forward.latency == 18500us);
    CHECK(forward.jitter == 700us);
    CHECK(forward.loss == Probability::of(0.001));
    CHECK(forward.bandwidth == 1500_kbps);  // the original reads 5 Mbps
    CHECK(link_of(scenario, "b->s").properties.bandwidth == 640_kbps);
    CHECK(link_of(scenario, "b->s").properties.latency == 18500us);
    CHECK(scenario.routing == Routing::hops);
    CHECK(application_of(scenario, "a").not_yet == Lines{"command: \"['x']\"", "image: i:1"});
    CHECK_FALSE(application_of(scenario, "a").manual);
}

TEST_CASE("shortest_path chooses the routing") {
    const auto with = [](const std::string& value) {
        std::string text = kollaps(kLinks);
        return text.replace(text.find("<services>"), 0,
                            "<config><p shortest_path='" + value + "'/></config>");
    };
    CHECK(good(with("latency")).routing == Routing::latency);
    CHECK(good(with("hop")).routing == Routing::hops);
    CHECK(bad(with("hops")).suggest == "hop");
}

TEST_CASE("a link without download is one-way, which is noted") {
    const auto outcome = read_xml(
        kollaps(std::string{kLinks} + "\n<link origin='b' dest='a' latency='1' upload='1Mbps'/>"));
    REQUIRE(outcome.ok());
    CHECK(outcome.scenario->topology.links().size() == 5);
    REQUIRE(outcome.problems.size() == 1);
    CHECK(at(outcome.problems[0]) == "9:1 kollaps");
}

TEST_CASE("events are sorted by time; those of one time happen together") {
    const Scenario scenario =
        good(kollaps(kLinks,
                     "<schedule origin='s' dest='b' time='30' latency='60' "
                     "upload='20Mbps' download='10Mbps'/>\n"
                     "<schedule name='s' time='30' action='leave'/>\n"
                     "<schedule name='b' time='0' action='join'/>\n"
                     "<schedule origin='s' dest='b' time='20.5' jitter='1'/>\n"
                     "<schedule name='a' time='0.0' action='join'/>\n"
                     "<schedule name='a' time='40' action='crash'/>"));
    CHECK(lines_of(scenario.timeline) ==
          Lines{"0ms join a", "0ms join b", "20500ms set s->b jitter=1ms",
                "30000ms set b->s 60ms 10Mbps", "30000ms set s->b 60ms 20Mbps", "30000ms leave s",
                "40000ms crash a"});
    CHECK(application_of(scenario, "a").manual);
}

TEST_CASE("with a schedule, a service that never joins never starts, which is noted") {
    const auto outcome = read_xml(kollaps(kLinks, "<schedule name='a' time='0' action='join'/>"));
    REQUIRE(outcome.ok());
    CHECK(application_of(*outcome.scenario, "b").manual);
    REQUIRE(outcome.problems.size() == 1);
    CHECK_THAT(outcome.problems[0].message, Catch::Contains("never starts"));
}

TEST_CASE("replicas are counted from the joins") {
    const auto replicas = [](const std::string& reuse) {
        const Scenario scenario = good(
            kollaps(std::string{kLinks} +
                        "<link origin='c' dest='s' latency='1' upload='1Mbps' download='1Mbps'/>",
                    "<schedule name='c' time='0' action='join' amount='2'/>"
                    "<schedule name='c' time='5' action='leave'/>"
                    "<schedule name='c' time='9' action='join'/>",
                    "<service name='c' image='x'" + reuse + "/>"));
        return scenario.topology.hosts().size() - 2;
    };
    CHECK(replicas("") == 2);
    CHECK(replicas(" reuse='false'") == 3);
}

TEST_CASE("replicas that leave, come back as others, are disconnected: each the right ones") {
    const Scenario scenario =
        good(kollaps(std::string{kLinks} +
                         "<link origin='c' dest='s' latency='1' upload='1Mbps' download='1Mbps'/>",
                     "<schedule name='c' time='0' action='join' amount='3'/>"
                     "<schedule name='c' time='5' action='disconnect'/>"
                     "<schedule name='c' time='6' action='reconnect'/>"
                     "<schedule name='c' time='7' action='crash' amount='3'/>",
                     "<service name='c' image='x' share='true'/>"));
    const Lines lines = lines_of(scenario.timeline);
    REQUIRE(lines.size() == 8);
    CHECK(lines[3].substr(lines[3].find("c[")) == lines[4].substr(lines[4].find("c[")));
    // Shared: three replicas behind one link.
    CHECK(scenario.topology.links().size() == 12);
}

TEST_CASE("a link that leaves comes back; one that was not there appears") {
    const Scenario scenario =
        good(kollaps(kLinks,
                     "<schedule origin='s' dest='b' time='1' action='leave'/>"
                     "<schedule origin='s' dest='b' time='2' action='join'/>"
                     "<schedule origin='a' dest='b' time='3' action='join' latency='7' "
                     "upload='5Mbps'/>"));
    CHECK(lines_of(scenario.timeline) ==
          Lines{"1000ms down s->b", "2000ms up s->b", "3000ms up a->b"});
    CHECK_FALSE(link_of(scenario, "a->b").up);
    CHECK(link_of(scenario, "a->b").properties.latency == 7ms);
}

TEST_CASE("supervisors are not part of the network") {
    const Scenario scenario =
        good(kollaps(std::string{kLinks} + "<link origin='d' dest='s' latency='1' upload='1Mbps'/>",
                     "", "<service name='d' image='dash' supervisor='false' port='8088'/>"));
    CHECK(scenario.topology.hosts().size() == 2);
    CHECK(scenario.topology.links().size() == 4);
}

TEST_CASE("a script of the bare metal variant is run by sh") {
    const Scenario scenario = good(
        "<experiment boot='kollaps:2.0'><services>"
        "<service name='n' ip='10.0.0.5' machinename='m' kollaps_folder='/k' "
        "topology_file='t.xml' script='run $i.sh'/>"
        "<service name='o' ip='10.0.0.6' machinename='p' script='run.sh'/>"
        "<service name='ctl' supervisor='true' controllername='m' controller_ip='10.0.0.5'/>"
        "</services><links>"
        "<link origin='n' dest='o' latency='1' upload='1Mbps' download='1Mbps'/>"
        "</links></experiment>");
    CHECK(scenario.topology.hosts().size() == 2);
    CHECK(application_of(scenario, "n").arguments == Lines{"sh", "run $i.sh"});
    CHECK(application_of(scenario, "n").attached ==
          AttachedMachine{.machine = "m", .ipv4 = 0x0a000005, .stop = {}});
}

TEST_CASE("a file with machines and other services has no machine that is a host itself") {
    const Scenario scenario =
        good(kollaps(std::string{kLinks} +
                         "<link origin='n' dest='s' latency='1' upload='1Mbps' download='1Mbps'/>",
                     "", "<service name='n' ip='10.0.0.5' machinename='m' script='run $i.sh'/>"));
    CHECK(application_of(scenario, "n").arguments == Lines{"sh", "run $i.sh"});
    CHECK_FALSE(application_of(scenario, "n").attached);
}

TEST_CASE("bad XML values are placed at the value") {
    const auto link = [](const std::string& attributes) {
        return bad(
            kollaps(std::string{kLinks} + "\n<link origin='a' dest='b' " + attributes + "/>"));
    };
    CHECK(at(link("latency='5ms' upload='1Mbps' download='1Mbps'")) == "9:36 bad-value");
    CHECK(link("latency='5ms' upload='1Mbps' download='1Mbps'").suggest == "5");
    CHECK(link("latency='5' upload='10mbps' download='1Mbps'").suggest == "10Mbps");
    CHECK(link("latency='5' upload='10kbps' download='1Mbps'").suggest == "10Kbps");
    CHECK(link("latency='5' upload='10Mbpsxyz' download='1Mbps'").code == "bad-value");
    CHECK(link("latency='-5' upload='10Mbps' download='1Mbps'").code == "bad-value");
    CHECK(link("latency='5' upload='10Mbps' drop='10%' download='1Mbps'").code == "bad-value");
    CHECK(link("latency='5' upload='10Mbps' drop='1.5' download='1Mbps'").code == "bad-value");
    CHECK(link("latency='5' latency='6' upload='1Mbps' download='1Mbps'").code == "duplicate-key");
    CHECK(at(link("latency='5' download='1Mbps'")) == "9:1 missing");
}

TEST_CASE("bad names and schedules are told") {
    CHECK(at(bad(kollaps(std::string{kLinks} + "\n<link origin='aa' dest='b' latency='1' "
                                               "upload='1Mbps' download='1Mbps'/>"))) ==
          "9:15 unknown-name");
    const auto schedule = [](const std::string& attributes) {
        return bad(kollaps(kLinks, "<schedule " + attributes + "/>"));
    };
    CHECK(schedule("name='x' time='1' action='join'").code == "unknown-name");
    CHECK(schedule("name='a' time='1s' action='join'").suggest == "1");
    CHECK(schedule("name='a' time='1' action='jion'").suggest == "join");
    CHECK(schedule("name='s' time='1' action='crash'").code == "unknown-action");
    CHECK(schedule("name='a' action='join'").code == "missing");
    CHECK(schedule("origin='a' dest='b' time='1' latency='5'").code == "unknown-link");
    CHECK(schedule("origin='a' dest='s' time='1'").code == "missing");
    CHECK(schedule("origin='a' dest='s' time='1' action='join'").code == "bad-event");
    CHECK(schedule("name='a' time='1' action='reconnect'").code == "bad-event");
    CHECK(bad(kollaps(kLinks, "", "<service name='a' image='x'/>")).code == "duplicate-name");
    CHECK(bad(kollaps(kLinks, "", "<service name='a b' image='x'/>")).code == "bad-name");
}

TEST_CASE("what is no Kollaps XML is refused where it fails") {
    CHECK(at(bad("<experiment>\n<services>\n</experiment>")) == "3:3 xml");
    CHECK(at(bad("<topology/>")) == "1:1 xml");
    CHECK(bad("").code == "xml");
    CHECK(at(bad("<experiment><links/></experiment>")) == "1:1 missing");
    const auto outcome = read_xml(kollaps(kLinks, "", "<informations/>"));
    CHECK(outcome.ok());  // one of its own tools writes such elements
    CHECK(outcome.problems[0].severity == Problem::Severity::warning);
}

}  // namespace pleat::testing
