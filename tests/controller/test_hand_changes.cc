// Changes by hand, with simulated nodes that hold tables by version and epoch. Time is simulated.
#include <algorithm>
#include <map>
#include <queue>
#include <set>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "base/overload.hh"
#include "controller/hand_changes.hh"
#include "tests/controller/plans.hh"
#include "tests/model/build.hh"

using namespace pleat;
using namespace pleat::testing;
using namespace std::chrono_literals;
using Catch::Contains;

namespace {

constexpr ExperimentTime at(Duration time) {
    return ExperimentTime{time};
}

struct SimulatedNode {
    Duration away = 1ms;
    bool reachable = true;  // else nothing gets there, or from there
    std::map<std::pair<std::uint32_t, std::uint32_t>, PathTable> tables;  // (version, epoch)
    std::optional<PathTable> last;
    std::vector<AnnounceChange> announced;
    std::map<std::uint32_t, ExperimentTime> done;  // by number
    ExperimentTime back_until{};
    ExperimentTime there_until{};
};

class World {
  public:
    World(std::size_t machines, const std::vector<TimedEvent>& timeline) {
        Submit submit = dumbbell_submit("r-1", "/tmp/r-1");
        std::vector<std::string> of_host;
        std::vector<std::string> links;
        for (std::size_t i = 0; i < machines; ++i) {
            of_host.push_back(fmt::format("m{}", i + 1));
            links.push_back(fmt::format("h{} -- s1: 5ms", i));
            nodes[of_host.back()];
        }
        links.emplace_back("s1 -- s2: 10ms 10Mbps");
        submit.scenario.topology = topology(links);
        submit.scenario.applications.assign(machines, {});
        submit.scenario.duration = 100s;
        submit.scenario.timeline = canonical(timeline);
        plan = plan_run(std::move(submit), of_host).value();
        file = tables(plan->epochs);
        for (auto& [name, node] : nodes) {
            for (const PathTable& table : file) {
                node.tables.emplace(std::pair{1U, table.epoch().value}, table);
            }
        }
        begin();
    }

    // A controller, with what an earlier one has kept.
    void begin(const std::vector<ChangeResult>& kept_before = {}) {
        changes.emplace(*plan, HandChanges::Surroundings{
                                   .to_node = [this](const std::string& machine,
                                                     const ControlMessage& m) { say(machine, m); },
                                   .answer =
                                       [this](HandChanges::Asker asker, const ControlMessage& m) {
                                           REQUIRE_FALSE(answers.contains(asker));
                                           answers.emplace(asker, m);
                                           answered_at[asker] = now;
                                       },
                                   .reachable =
                                       [this](const std::string& machine) {
                                           return nodes.at(machine).reachable;
                                       },
                                   .worst_round_trip = [this] { return round_trip; },
                                   .warn = [this](const std::string& w) { warnings.push_back(w); },
                                   .keep = [this] { kept = changes->results(); }});
        changes->resume(kept_before);
    }

    void run_until(ExperimentTime limit) {
        while (true) {
            std::optional<ExperimentTime> next = changes->deadline();
            if (!events_.empty()) {
                next = std::min(next.value_or(events_.top().at), events_.top().at);
            }
            if (!next || *next > limit) break;
            now = std::max(now, *next);
            if (!events_.empty() && events_.top().at <= now) {
                const auto action = events_.top().action;
                events_.pop();
                action();
            } else {
                changes->tick(now);
            }
        }
        now = limit;
    }

    const ChangeResult& changed(HandChanges::Asker asker) const {
        REQUIRE(answers.contains(asker));
        const auto* answer = std::get_if<RunChanged>(&answers.at(asker));
        REQUIRE(answer != nullptr);
        return answer->change;
    }

    std::string refused(HandChanges::Asker asker) const {
        REQUIRE(answers.contains(asker));
        const auto* answer = std::get_if<Refused>(&answers.at(asker));
        REQUIRE(answer != nullptr);
        return answer->message;
    }

    // What the table of (version, epoch) says of s1->s2.
    const LinkState& core(const std::string& machine, std::uint32_t version,
                          std::uint32_t epoch) const {
        return nodes.at(machine)
            .tables.at({version, epoch})
            .link(link(plan->scenario.topology, "s1->s2"));
    }

    void say(const std::string& machine, const ControlMessage& message) {
        SimulatedNode& node = nodes.at(machine);
        node.there_until = std::max(node.there_until, now + node.away);
        later(node.there_until, [this, machine, message] { hear(machine, message); });
    }

    std::optional<RunPlan> plan;
    std::vector<PathTable> file;
    std::map<std::string, SimulatedNode> nodes;
    std::map<HandChanges::Asker, ControlMessage> answers;
    std::map<HandChanges::Asker, ExperimentTime> answered_at;
    std::vector<std::string> warnings;
    std::vector<ChangeResult> kept;
    std::optional<HandChanges> changes;
    Duration round_trip = 2ms;
    ExperimentTime now{1s};

  private:
    struct Later {
        ExperimentTime at;
        std::uint64_t number;
        std::function<void()> action;

        bool operator<(const Later& other) const {
            return std::tie(other.at, other.number) < std::tie(at, number);
        }
    };

    void later(ExperimentTime when, std::function<void()> action) {
        events_.push({when, ++number_, std::move(action)});
    }

    void answer(const std::string& machine, const ControlMessage& message) {
        SimulatedNode& node = nodes.at(machine);
        node.back_until = std::max(node.back_until, now + node.away);
        later(node.back_until, [this, machine, message] {
            if (!nodes.at(machine).reachable) return;
            std::visit(Overload{
                           [&](const Prepared& m) { REQUIRE(changes->receive(machine, m, now)); },
                           [&](const ChangeDone& m) { changes->receive(machine, m, now); },
                           [&](const ChangeMissed& m) { changes->receive(machine, m); },
                           [](const auto&) {},
                       },
                       message);
        });
    }

    void hear(const std::string& machine, const ControlMessage& message) {
        SimulatedNode& node = nodes.at(machine);
        if (!node.reachable) return;
        if (const auto* epoch = std::get_if<PrepareEpoch>(&message)) {
            const PathTableDelta& delta = epoch->delta;
            const auto base = epoch->based_on
                                  ? node.tables.find({*epoch->based_on, delta.epoch.value})
                                  : node.tables.find({delta.version, delta.epoch.value - 1});
            if (base == node.tables.end()) return answer(machine, ChangeMissed{});
            const Result<PathTable> table = base->second.with(delta);
            REQUIRE(table);
            node.tables.insert_or_assign({delta.version, delta.epoch.value}, *table);
            answer(machine, Prepared{delta.version, delta.epoch, table->hash()});
        }
        if (const auto* change = std::get_if<AnnounceChange>(&message)) {
            node.announced.push_back(*change);
            const EpochId epoch = epoch_at(plan->epochs.epochs, change->at);
            if (change->version && !node.tables.contains({*change->version, epoch.value})) {
                return answer(machine, ChangeMissed{change->number - 1});
            }
            later(std::max(now, change->at), [this, machine, c = *change] {
                nodes.at(machine).done.emplace(c.number, now);
                answer(machine, ChangeDone{c.number, now - c.at});
            });
        }
    }

    std::priority_queue<Later> events_;
    std::uint64_t number_ = 0;
};

std::vector<TimedEvent> every_second(const Topology& of, int seconds) {
    std::vector<TimedEvent> timeline;
    for (int i = 1; i <= seconds; ++i) {
        LinkPatch patch;
        patch.latency = i * 1ms;
        timeline.push_back(event(i * 1s, LinkChange{link(of, "s1->s2"), patch}));
    }
    return timeline;
}

std::vector<TimedEvent> dense(const Topology& of, Duration step, int count) {
    std::vector<TimedEvent> timeline;
    for (int i = 1; i <= count; ++i) {
        LinkPatch patch;
        patch.bandwidth = Bandwidth::bits_per_second(1'000'000 + i);
        timeline.push_back(event(1s + i * step, LinkChange{link(of, "s1->s2"), patch}));
    }
    return timeline;
}

Topology two_hosts() {
    return topology({"h0 -- s1: 5ms", "h1 -- s1: 5ms", "s1 -- s2: 10ms 10Mbps"});
}

}  // namespace

TEST_CASE("a change is prepared everywhere, and takes effect at one announced instant") {
    World world{2, every_second(two_hosts(), 30)};
    world.nodes.at("m2").away = 15ms;
    world.round_trip = 30ms;
    world.now = at(2500ms);
    world.changes->ask(7, {"set s1--s2 90Mbps"}, world.now);
    world.run_until(at(2900ms));
    const ChangeResult& change = world.changed(7);
    CHECK(change.version == 2);
    CHECK(change.number == 1);
    CHECK(change.missing.empty());
    CHECK(change.late == Duration::zero());
    // 30 ms for tables and their acknowledgements, then 3 round trips.
    CHECK(change.at == at(2500ms + 30ms + 90ms));
    for (const auto& [name, node] : world.nodes) {
        INFO(name);
        REQUIRE(node.announced.size() == 1);
        CHECK(node.done.at(1) == change.at);
        // All later epochs are there, and what is scheduled of other fields applies beneath.
        for (std::uint32_t epoch = 2; epoch <= 30; ++epoch) {
            const LinkState& core = world.core(name, 2, epoch);
            CHECK(core.properties.bandwidth == Bandwidth::bits_per_second(90'000'000));
            CHECK(core.properties.latency == epoch * 1ms);
        }
    }
    CHECK(world.kept == world.changes->results());
}

TEST_CASE("what is asked while a version is being prepared becomes one version") {
    World world{2, {}};
    world.changes->ask(1, {"set s1--s2 20Mbps"}, world.now);
    world.changes->ask(2, {"set s1--s2 30Mbps"}, world.now);
    world.changes->ask(3, {"set s1--s2 40Mbps"}, world.now);
    world.run_until(at(3s));
    CHECK(world.changed(1).version == 2);
    CHECK(world.changed(2).version == 3);
    CHECK(world.changed(3).version == 3);
    CHECK(world.changed(2).lines ==
          std::vector<std::string>{"set s1--s2 30Mbps", "set s1--s2 40Mbps"});
    CHECK(world.changed(2).at > world.changed(1).at);
    CHECK(world.core("m1", 3, 0).properties.bandwidth == Bandwidth::bits_per_second(40'000'000));
    // The second was prepared while the first was on its way to its instant.
    CHECK(world.changed(2).at - world.changed(1).at < 20ms);
}

TEST_CASE("an instant is never in an epoch other than that for which its tables were computed") {
    for (const Duration step : {1ms, 3ms, 10ms, 35ms, 60ms, 200ms}) {
        for (int offset = 0; offset < 40; offset += 7) {
            INFO("epochs of " << step.count() << " ns, " << offset << " ms");
            World world{2, dense(two_hosts(), step, 600)};
            world.nodes.at("m2").away = 9ms;
            world.now = at(1s + offset * 1ms);
            world.changes->ask(1, {"set s1--s2 90Mbps"}, world.now);
            world.run_until(world.now + 900ms);
            const ChangeResult& change = world.changed(1);
            REQUIRE(change.version);
            const std::uint32_t epoch = change.epoch.value;
            CHECK(epoch_at(world.plan->epochs.epochs, change.at) == change.epoch);
            CHECK(change.at > world.plan->epochs.epochs[epoch].start);
            // A scheduled switch at or before it goes first: the change is seen in this epoch, and
            // the next event of the same field replaces it.
            for (const char* const machine : {"m1", "m2"}) {
                CHECK(world.core(machine, *change.version, epoch).properties.bandwidth ==
                      Bandwidth::bits_per_second(90'000'000));
                if (epoch < 600) {
                    CHECK(world.core(machine, *change.version, epoch + 1).properties.bandwidth ==
                          Bandwidth::bits_per_second(1'000'001 + epoch));
                }
            }
        }
    }
}

TEST_CASE("a machine that is cut off is left behind, named, and told all when it is back") {
    World world{3, every_second(two_hosts(), 10)};
    world.nodes.at("m3").reachable = false;
    world.changes->ask(1, {"down s1--s2"}, world.now);
    world.run_until(at(1500ms));
    CHECK(world.changed(1).missing == std::vector<std::string>{"m3"});
    REQUIRE(world.warnings.size() == 1);
    CHECK_THAT(world.warnings[0], Contains("not in force on m3"));
    world.changes->ask(2, {"set s1--s2 1Mbps"}, world.now);
    world.run_until(at(2500ms));
    CHECK(world.changed(2).missing == std::vector<std::string>{"m3"});
    CHECK(world.nodes.at("m3").announced.empty());

    world.nodes.at("m3").reachable = true;
    world.changes->machine_back("m3", 0);
    world.run_until(at(3s));
    CHECK(world.nodes.at("m3").done.size() == 2);
    for (std::uint32_t epoch = world.changed(2).epoch.value; epoch <= 10; ++epoch) {
        CHECK(world.nodes.at("m3").tables.at({3, epoch}).hash() ==
              world.nodes.at("m1").tables.at({3, epoch}).hash());
    }
    for (const ChangeResult& change : world.changes->results()) {
        CHECK(change.missing.empty());
        CHECK(change.late > 400ms);
    }
}

TEST_CASE("a machine that dies while a version is prepared does not hold up the others for long") {
    World world{2, {}};
    world.nodes.at("m2").away = 10s;  // it is thought to be there
    world.changes->ask(1, {"down s1--s2"}, world.now);
    world.run_until(at(20s));
    const ChangeResult& change = world.changed(1);
    CHECK(change.at >= at(1s) + HandChanges::kPatience);
    CHECK(change.at < at(1s) + HandChanges::kPatience + 100ms);
    CHECK(change.missing == std::vector<std::string>{"m2"});
    CHECK(world.nodes.at("m1").done.at(1) == change.at);
}

TEST_CASE("nothing is changed when no machine answers") {
    World world{1, {}};
    world.nodes.at("m1").away = 100s;
    world.changes->ask(1, {"down s1--s2"}, world.now);
    world.run_until(at(20s));
    CHECK_THAT(world.refused(1), Contains("nothing was changed"));
    CHECK(world.changes->results().empty());
}

TEST_CASE("a line that makes no sense is refused at once, and says what would") {
    World world{1, {}};
    world.changes->ask(1, {"set s1--s22 10ms"}, world.now);
    CHECK_THAT(world.refused(1), Contains("s22") && Contains("s2"));
    world.changes->ask(2, {"set s1--s2 10parsec"}, world.now);
    CHECK_THAT(world.refused(2), Contains("10parsec"));
    world.changes->ask(3, {"flap s1--s2 every 1s"}, world.now);
    CHECK_THAT(world.refused(3), Contains("at one instant"));
    world.changes->ask(4, {}, world.now);
    CHECK_THAT(world.refused(4), Contains("event line"));
    world.run_until(at(2s));
    CHECK(world.nodes.at("m1").announced.empty());
}

TEST_CASE("actions on applications make no version, and go with one when there is one") {
    World world{1, {}};
    world.changes->ask(1, {"crash h0", "mark gone"}, world.now);
    world.run_until(at(2s));
    CHECK_FALSE(world.changed(1).version);
    const AnnounceChange& first = world.nodes.at("m1").announced.at(0);
    CHECK(first.actions.size() == 2);
    CHECK(first.text == "crash h0; mark gone");
    CHECK(first.at == at(1s) + HandChanges::kLeastLead);
    world.changes->ask(2, {"down s1--s2", "restart h0"}, world.now);
    world.run_until(at(3s));
    CHECK(world.changed(2).version == 2);
    CHECK(world.nodes.at("m1").announced.at(1).actions.size() == 1);
}

TEST_CASE("a controller that is started anew goes on with the versions that were announced") {
    World world{2, every_second(two_hosts(), 10)};
    world.changes->ask(1, {"set s1--s2 20Mbps"}, world.now);
    world.run_until(at(1500ms));
    world.nodes.at("m2").reachable = false;
    world.changes->ask(2, {"down s1->s2"}, world.now);
    world.run_until(at(2500ms));
    REQUIRE(world.kept.size() == 2);

    const std::vector<ChangeResult> kept = world.kept;
    world.begin(kept);
    CHECK(world.changes->results() == kept);
    world.nodes.at("m2").reachable = true;
    world.changes->machine_back("m1", 2);
    world.changes->machine_back("m2", 1);
    world.run_until(at(3s));
    CHECK(world.nodes.at("m2").done.contains(2));
    CHECK(world.changes->results().at(1).missing.empty());
    // And the next one is based on them.
    world.changes->ask(3, {"reset s1--s2"}, world.now);
    world.run_until(at(4500ms));
    CHECK(world.changed(3).version == 4);
    const std::uint32_t epoch = world.changed(3).epoch.value;
    CHECK(world.nodes.at("m2").tables.at({*world.changed(3).version, epoch}).hash() ==
          world.file.at(epoch).hash());
}

TEST_CASE("who waits when the run ends is told") {
    World world{1, {}};
    world.changes->ask(1, {"down s1--s2"}, world.now);
    world.changes->ask(2, {"up s1--s2"}, world.now);
    world.changes->end();
    CHECK_THAT(world.refused(1), Contains("has ended"));
    CHECK_THAT(world.refused(2), Contains("has ended"));
}
