// Takes runs, or says why not.
#include "controller/admission.hh"

#include <filesystem>
#include <utility>

#include "controller/room.hh"

namespace pleat {

namespace {

Refused refused(std::string why, int exit_code = 1) {
    return {.message = std::move(why), .exit_code = exit_code};
}

}  // namespace

std::variant<Admitted, Refused> admit(Submit submit, const AdmissionFacts& facts) {
    const std::string run = submit.options.run;
    if (facts.runs.find(run) != nullptr || facts.store.has_run(run)) {
        return refused("there is a run " + run + " already");
    }
    // One that is submitted from elsewhere is kept here.
    if (submit.options.run_directory.empty()) {
        if (const Result<void> good = check_machine_name(run); !good) {
            return refused("'" + run + "' can't be the name of a run");
        }
        submit.options.run_directory =
            std::filesystem::absolute(facts.state_directory).string() + "/runs/" + run;
    }
    const bool ignore_network = submit.ignore_network;
    const Result<std::vector<std::string>> placement = find_room(
        submit.scenario, facts.nodes, facts.members,
        [&facts](const std::string& machine) { return facts.runs.hosts_on(machine); },
        facts.ways.known());
    if (!placement) return refused(placement.error().message);
    Result<RunPlan> plan = plan_run(std::move(submit), *placement);
    if (!plan) return refused(plan.error().message);
    NetworkJudgement network = judge_network(plan->scenario, plan->epochs, *placement,
                                             facts.ways.known(), facts.runs.rates());
    if (!network.problems.empty() && !ignore_network) {
        return refused(refusal_text(network), NodeFailed::kInvalidTopology);
    }
    if (encode(ControlMessage{first_push(*plan, plan->parts.front(), {})}).size() >
        kMaxControlBytes) {
        return refused("the topology is too large for one message to a node");
    }
    std::vector<std::string> notes = std::move(network.notes);
    notes.insert(notes.end(), network.problems.begin(), network.problems.end());
    return Admitted{.plan = *std::move(plan), .notes = std::move(notes)};
}

}  // namespace pleat
