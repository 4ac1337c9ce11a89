#include "tests/controller/plans.hh"

#include "tests/model/build.hh"

namespace pleat::testing {

using namespace std::chrono_literals;

Scenario dumbbell() {
    Scenario s;
    s.name = "dumbbell";
    s.seed = 42;
    s.duration = 3s;
    s.topology = topology({"a -- s1: 5ms 100Mbps", "s1 -- s2: 10ms 60Mbps", "s2 -- b: 5ms"});
    s.applications.resize(2);
    s.applications[0].arguments = {"iperf3", "-c", "b"};
    s.applications[0].main = true;
    LinkPatch slower;
    slower.bandwidth = Bandwidth::bits_per_second(10'000'000);
    const LinkId bottleneck = link(s.topology, "s1->s2");
    s.timeline = canonical({event(1s, LinkChange{bottleneck, slower}, "set s1->s2 10Mbps"),
                            event(2s, LinkDown{bottleneck}, "down s1->s2"),
                            event(2s, Mark{"half"}, "mark half")});
    return s;
}

Submit dumbbell_submit(const std::string& run, const std::string& run_directory) {
    Submit submit{.scenario = dumbbell(), .source_text = "pleat: 1", .options = {}};
    submit.options.run = run;
    submit.options.run_directory = run_directory;
    submit.options.runtime_directory = run_directory;
    return submit;
}

RunEnded run_ended(const std::string& reason, bool interrupted) {
    RunEnded ended;
    ended.reason = reason;
    ended.interrupted = interrupted;
    ended.hosts.emplace_back();
    ended.hosts[0].exit_code = 0;
    return ended;
}

RunPlan dumbbell_plan(const std::string& run, const std::string& run_directory) {
    return plan_run_on("local", dumbbell_submit(run, run_directory)).value();
}

}  // namespace pleat::testing
