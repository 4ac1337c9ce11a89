#include "controller/way_orders.hh"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/log.hh"
#include "controller/kept_run.hh"
#include "controller/room.hh"
#include "model/epochs.hh"
#include "wire/keys.hh"

namespace pleat {

WayOrders::WayOrders(Store& store, const Members& members, NodeRegistry& nodes,
                     SpokenFor spoken_for)
    : store_{store}, members_{members}, nodes_{nodes}, spoken_for_{std::move(spoken_for)} {
    for (WayInfo& way : store_.ways()) {
        const std::pair machines{way.from, way.to};
        known_.insert_or_assign(machines, std::move(way));
    }
}

void WayOrders::check(const Caller& caller, const CheckMachines& order, Instant now) {
    if (check_) {
        return caller.refuse("the machines are being measured for somebody else: try again");
    }
    std::vector<std::string> machines;
    for (const auto& [name, node] : nodes_.all()) {
        if (node.connected) machines.push_back(name);
    }
    std::vector<WayCheck::Pair> pairs;
    const auto quiet = [&](const std::string& machine) {
        return order.despite_runs || spoken_for_(machine) == 0;
    };
    for (std::size_t i = 0; i < machines.size(); ++i) {
        for (std::size_t j = i + 1; j < machines.size(); ++j) {
            pairs.push_back({.from = machines[i],
                             .to = machines[j],
                             .rates = quiet(machines[i]) && quiet(machines[j])});
        }
    }
    found_ = {};
    asker_ = caller;
    // No two of one controller, or of one started anew, have the same name.
    const std::string name = fmt::format("way-{}-{}", now.time_since_epoch().count(), ++checks_);
    const auto to_node = [this](const std::string& machine, const ControlMessage& message,
                                const std::string& measurement) {
        const Node* const node = nodes_.find(machine);
        return node != nullptr && node->connected && node->peer.say(message, measurement);
    };
    check_.emplace(
        std::move(pairs), name,
        WayCheck::Outputs{
            .to_node = to_node,
            .measured = [this](const WayCheck::Pair& pair, const std::optional<WayQuality>& quality,
                               const std::string& problem) { measured(pair, quality, problem); },
            .began =
                [this](const WayCheck::Pair& pair, std::size_t number, std::size_t all) {
                    asker_.say(Stage{.name = "network",
                                     .text = fmt::format("{} - {} ({} of {})", pair.from, pair.to,
                                                         number, all)});
                },
            // A Curve25519 secret is 32 random bytes.
            .fresh_key = [] { return make_key_pair().secret_key; }},
        now);
    tell_if_finished();
}

void WayOrders::measured(const WayCheck::Pair& pair, const std::optional<WayQuality>& quality,
                         const std::string& problem) {
    const std::pair machines{pair.from, pair.to};
    const auto before = known_.find(machines);
    WayInfo way{.from = pair.from, .to = pair.to};
    if (before != known_.end()) way = before->second;
    way.problem.clear();
    if (quality) {
        const std::optional<WayQuality> earlier = std::exchange(way.quality, quality);
        way.measured_at = utc_now();
        if (pair.rates) {
            way.rates_measured_at = way.measured_at;
        } else if (earlier) {
            way.quality->there = earlier->there;
            way.quality->back = earlier->back;
        }
        store_.set_way(way);
        known_.insert_or_assign(machines, way);
    } else {
        log::warn("network not measured from={} to={}: {}", pair.from, pair.to, problem);
        way.problem = problem;
    }
    if (!pair.rates && quality) {
        const std::string& busy = spoken_for_(pair.from) > 0 ? pair.from : pair.to;
        way.note = fmt::format(
            "rates not measured: machine {} has hosts of runs under way (--despite-runs)", busy);
    }
    found_.ways.push_back(std::move(way));
}

void WayOrders::tell_if_finished() {
    if (!check_ || !check_->finished()) return;
    check_.reset();
    asker_.say(std::exchange(found_, {}));
}

Ways WayOrders::ways_between(const std::set<std::string>& machines) const {
    Ways ways;
    for (const auto& [pair, way] : known_) {
        const bool asked = machines.contains(pair.first) && machines.contains(pair.second);
        if (asked) ways.ways.push_back(way);
    }
    return ways;
}

ControlMessage WayOrders::check(const Scenario& scenario,
                                const std::vector<RunRates*>& others) const {
    const Result<std::vector<std::string>> placement =
        find_room(scenario, nodes_, members_, spoken_for_, known_);
    if (!placement) return Refused{.message = placement.error().message};
    NetworkJudgement judgement =
        judge_network(scenario, compute_epochs(scenario), *placement, known_, others);
    std::string refusal = refusal_text(judgement);
    return PlacementChecked{.machines = *placement,
                            .problems = std::move(judgement.problems),
                            .refusal = std::move(refusal),
                            .notes = std::move(judgement.notes),
                            .ways = ways_between({placement->begin(), placement->end()})};
}

bool WayOrders::receive(const std::string& machine, const std::string& name,
                        const ControlMessage& message, Instant now) {
    if (!check_ || !check_->receive(machine, name, message, now)) return false;
    tell_if_finished();
    return true;
}

void WayOrders::node_gone(const std::string& machine, Instant now) {
    if (check_) check_->node_gone(machine, now);
    tell_if_finished();
}

void WayOrders::give_up(const std::string& why) {
    if (!check_) return;
    check_.reset();
    found_ = {};
    asker_.refuse(why);
}

std::optional<Instant> WayOrders::deadline() const {
    if (!check_) return {};
    return check_->deadline();
}

void WayOrders::tick(Instant now) {
    if (check_) check_->tick(now);
    tell_if_finished();
}

void WayOrders::forget(const std::string& machine) {
    std::erase_if(known_, [&machine](const auto& way) {
        return way.first.first == machine || way.first.second == machine;
    });
}

}  // namespace pleat
