// Changes by hand over a timeline: each version's tables against an oracle that knows nothing of
// layers: for every field of every link it asks who spoke last, and who has been silenced.
#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include <catch2/catch.hpp>

#include "model/epochs.hh"
#include "model/shortest_paths.hh"
#include "tests/model/build.hh"
#include "tests/model/random_world.hh"

using namespace pleat;
using namespace pleat::testing;
using namespace std::chrono_literals;

namespace {

// Everything that happened, in order: what is scheduled, and what hands did.
using Story = std::vector<TimedEvent>;

// The value of one thing (a field of a link, a switch): claims in the order in which they were
// laid, of which the last counts.
template <typename Value>
class Claims {
  public:
    explicit Claims(Value lasting) : lasting_{std::move(lasting)} {}

    void say(const TimedEvent& who, const Value& value) {
        switch (who.phase) {
            case Phase::lasting:
                lasting_ = value;
                std::erase_if(claims_, [](const Claim& c) { return c.by_hand; });
                return;
            case Phase::begin:
            case Phase::by_hand:
                claims_.push_back({who.overlay, who.phase == Phase::by_hand, who.event, value});
                return;
            case Phase::end:
                for (auto c = claims_.begin(); c != claims_.end(); ++c) {
                    if (c->by_hand || c->number != who.overlay || c->event != who.event) continue;
                    claims_.erase(c);
                    return;
                }
                return;
        }
    }

    void reset() {
        std::erase_if(claims_, [](const Claim& c) { return c.by_hand; });
    }

    Value now() const { return claims_.empty() ? lasting_ : claims_.back().value; }

  private:
    struct Claim {
        std::uint32_t number;
        bool by_hand;
        Event event;
        Value value;
    };

    Value lasting_;
    std::vector<Claim> claims_;
};

struct Loss {
    Probability loss;
    std::optional<GilbertElliott> burst;
};

LinkProperties properties_after(const Link& link, LinkId id, const Story& story) {
    Claims latency{link.properties.latency};
    Claims jitter{link.properties.jitter};
    Claims distribution{link.properties.distribution};
    Claims<Loss> loss{{link.properties.loss, link.properties.burst_loss}};
    Claims reorder{link.properties.reorder};
    Claims duplicate{link.properties.duplicate};
    Claims corrupt{link.properties.corrupt};
    Claims bandwidth{link.properties.bandwidth};
    Claims queue{link.properties.queue};
    Claims overhead{link.properties.overhead};
    const auto each = [&](const auto& action) {
        action(latency, &LinkPatch::latency);
        action(jitter, &LinkPatch::jitter);
        action(distribution, &LinkPatch::distribution);
        action(reorder, &LinkPatch::reorder);
        action(duplicate, &LinkPatch::duplicate);
        action(corrupt, &LinkPatch::corrupt);
        action(bandwidth, &LinkPatch::bandwidth);
        action(queue, &LinkPatch::queue);
        action(overhead, &LinkPatch::overhead);
    };
    for (const TimedEvent& event : story) {
        if (const auto* reset = std::get_if<LinkReset>(&event.event)) {
            if (reset->link != id) continue;
            each([](auto& claims, auto) { claims.reset(); });
            loss.reset();
        }
        const auto* change = std::get_if<LinkChange>(&event.event);
        if (change == nullptr || change->link != id) continue;
        const LinkPatch& patch = change->patch;
        each([&](auto& claims, auto field) {
            if (patch.*field) claims.say(event, *(patch.*field));
        });
        if (patch.burst_loss) {
            loss.say(event, {Probability{}, patch.burst_loss});
        } else if (patch.loss) {
            loss.say(event, {*patch.loss, {}});
        }
    }
    return {.latency = latency.now(),
            .jitter = jitter.now(),
            .distribution = distribution.now(),
            .loss = loss.now().loss,
            .burst_loss = loss.now().burst,
            .reorder = reorder.now(),
            .duplicate = duplicate.now(),
            .corrupt = corrupt.now(),
            .bandwidth = bandwidth.now(),
            .queue = queue.now(),
            .overhead = overhead.now()};
}

bool link_itself_up(const Link& link, LinkId id, const Story& story) {
    Claims up{link.up};
    for (const TimedEvent& event : story) {
        if (event.event == Event{LinkUp{id}}) up.say(event, true);
        if (event.event == Event{LinkDown{id}}) up.say(event, false);
        if (event.event == Event{LinkReset{id}}) up.reset();
    }
    return up.now();
}

bool vertex_up(VertexId v, const Story& story) {
    Claims up{true};
    for (const TimedEvent& event : story) {
        if (event.event == Event{VertexUp{v}}) up.say(event, true);
        if (event.event == Event{VertexDown{v}}) up.say(event, false);
    }
    return up.now();
}

// The partitions in force: each with when it came, until a Heal ends it, or one that lasts for a
// while hides it.
std::vector<Partition> partitions_after(const Story& story) {
    struct Division {
        TimedEvent from;
        bool heal;  // hides those before it
    };

    std::vector<Division> divisions;
    const auto is_partition = [](const Division& d) { return !d.heal; };
    for (const TimedEvent& event : story) {
        const bool heal = std::holds_alternative<Heal>(event.event);
        if (!heal && !std::holds_alternative<Partition>(event.event)) continue;
        if (event.phase == Phase::end) {
            for (auto d = divisions.begin(); d != divisions.end(); ++d) {
                if (d->from.phase != Phase::begin || d->from.overlay != event.overlay ||
                    d->from.event != event.event) {
                    continue;
                }
                divisions.erase(d);
                break;
            }
        } else if (heal && event.phase != Phase::begin) {
            std::erase_if(divisions, is_partition);
        } else if (event.phase == Phase::lasting) {
            // Lasting ones lie beneath all that last for a while.
            divisions.insert(divisions.begin(), Division{event, false});
        } else {
            divisions.push_back({event, heal});
        }
    }
    std::vector<Partition> result;
    for (const Division& division : divisions) {
        if (division.heal) result.clear();
        if (!division.heal) result.push_back(std::get<Partition>(division.from.event));
    }
    return result;
}

std::uint32_t side_of(const Partition& partition, VertexId v) {
    for (std::uint32_t s = 0; s < partition.sides.size(); ++s) {
        if (std::ranges::count(partition.sides[s], v) > 0) return s + 1;
    }
    return 0;
}

PathTable table_after(const Scenario& world, const Story& story, std::uint32_t version,
                      EpochId epoch) {
    const Topology& topology = world.topology;
    const std::vector<Partition> partitions = partitions_after(story);
    std::vector<LinkState> links;
    for (std::uint32_t i = 0; i < topology.links().size(); ++i) {
        const Link& link = topology.links()[i];
        bool up = link_itself_up(link, LinkId{i}, story) && vertex_up(link.from, story) &&
                  vertex_up(link.to, story);
        for (const Partition& partition : partitions) {
            const std::uint32_t a = side_of(partition, link.from);
            const std::uint32_t b = side_of(partition, link.to);
            if (a != 0 && b != 0 && a != b) up = false;
        }
        links.push_back({properties_after(link, LinkId{i}, story), up});
    }
    std::set<Sides> sides_once;
    for (const Partition& partition : partitions) {
        Sides sides;
        for (std::uint32_t h = 0; h < topology.hosts().size(); ++h) {
            sides.push_back(side_of(partition, VertexId{h}));
        }
        if (std::ranges::any_of(sides, [](std::uint32_t s) { return s != 0; })) {
            sides_once.insert(sides);
        }
    }
    const RouteMetric metric{world.routing, topology.bridges().size()};
    const BridgeGraph graph{topology, metric, links};
    ShortestPathTree tree{graph};
    std::vector<PathTable::Tree> trees;
    for (const VertexId source : tree_sources(topology)) {
        tree.compute(tree_starts(topology, source, metric, links));
        trees.push_back(std::make_shared<const Parents>(tree.parents()));
    }
    return {version, epoch, std::move(links), std::move(trees),
            std::vector<Sides>(sides_once.begin(), sides_once.end())};
}

// The events of one instant, as NetworkState orders them: heals first.
void tell(Story& story, const std::vector<TimedEvent>& simultaneous) {
    for (const bool heals : {true, false}) {
        for (const TimedEvent& event : simultaneous) {
            if (std::holds_alternative<Heal>(event.event) == heals) story.push_back(event);
        }
    }
}

// What has happened in the table of (epoch, all changes so far).
Story story_of(const Scenario& world, const Epochs& epochs, std::span<const HandChange> changes,
               EpochId epoch) {
    Story story;
    for (std::uint32_t e = 0; e <= epoch.value; ++e) {
        std::map<ExperimentTime, std::vector<TimedEvent>> instants;
        for (const TimedEvent& event : canonical(world.timeline)) {
            if (epoch_at(epochs.epochs, event.at) == EpochId{e}) {
                instants[event.at].push_back(event);
            }
        }
        for (auto& [at, events] : instants) tell(story, events);
        for (const HandChange& change : changes) {
            if (change.epoch != EpochId{e}) continue;
            for (const TimedEvent& event : change.events) story.push_back(event);
        }
    }
    return story;
}

// Each of its own number: one line after the other.
HandChange random_change(Random& random, const Topology& topology, std::uint32_t version,
                         EpochId epoch, std::uint32_t& number) {
    HandChange change{.version = version, .epoch = epoch, .events = {}};
    const int lines = 1 + below(random, 2);
    while (change.events.size() < static_cast<std::size_t>(lines)) {
        TimedEvent event;
        const auto links = static_cast<int>(topology.links().size());
        const LinkId link{static_cast<std::uint32_t>(below(random, links - 1))};
        event.event = random_timeline(random, topology, 1, 1).front().event;
        const int what = below(random, 9);
        if (what == 0) event.event = LinkReset{link};
        if (what == 1) event.event = Heal{};
        event.phase = Phase::by_hand;
        event.overlay = number++;
        change.events.push_back(std::move(event));
    }
    return change;
}

TimedEvent by_hand(std::uint32_t number, Event event) {
    return {.at = {},
            .event = std::move(event),
            .phase = Phase::by_hand,
            .overlay = number,
            .text = {}};
}

LinkPatch latency_of(Duration latency) {
    LinkPatch patch;
    patch.latency = latency;
    return patch;
}

LinkPatch bandwidth_of(Bandwidth bandwidth) {
    LinkPatch patch;
    patch.bandwidth = bandwidth;
    return patch;
}

// Every table of a version, from that of its epoch on.
std::vector<PathTable> tables_of(const PathTable& before,
                                 const std::vector<PathTableDelta>& deltas) {
    std::vector<PathTable> result{before};
    for (const PathTableDelta& delta : deltas) {
        Result<PathTable> next = result.back().with(delta);
        REQUIRE(next.has_value());
        result.push_back(*std::move(next));
    }
    result.erase(result.begin());
    return result;
}

}  // namespace

TEST_CASE("changes by hand over a timeline: every version's tables are those made anew") {
    Random random{31};
    for (int i = 0; i < 60; ++i) {
        INFO("world " << i);
        Scenario world = scenario(build(random_parts(random, {.latency_steps = 2})));
        world.timeline = random_timeline(random, world.topology, 50, 20);
        const Epochs epochs = compute_epochs(world);
        std::vector<PathTable> latest = tables(epochs);
        std::vector<HandChange> changes;
        std::uint32_t number = 1000;
        EpochId epoch{};
        for (std::uint32_t version = 2; version < 10; ++version) {
            const auto left = static_cast<int>(epochs.epochs.size() - 1 - epoch.value);
            epoch.value += static_cast<std::uint32_t>(below(random, std::min(left, 3)));
            const HandChange change = random_change(random, world.topology, version, epoch, number);
            const std::vector<PathTableDelta> deltas = compute_version(world, changes, change);
            REQUIRE(deltas.size() == epochs.epochs.size() - epoch.value);
            changes.push_back(change);
            const std::vector<PathTable> made = tables_of(latest[epoch.value], deltas);
            for (std::uint32_t k = 0; k < made.size(); ++k) {
                const EpochId of{epoch.value + k};
                INFO("version " << version << ", epoch " << of.value);
                const PathTable anew =
                    table_after(world, story_of(world, epochs, changes, of), version, of);
                REQUIRE(made[k].version() == version);
                REQUIRE(made[k].epoch() == of);
                REQUIRE(std::ranges::equal(made[k].links(), anew.links()));
                REQUIRE(made[k].partitions() == anew.partitions());
                REQUIRE(made[k].hash() == anew.hash());
                latest[of.value] = made[k];
            }
        }
    }
}

TEST_CASE("scheduled sets of other fields apply beneath a change by hand, of the same replace it") {
    const Topology t = topology({"a -- s1: 5ms 10Mbps", "s1 -- b: 5ms"});
    const LinkId id = link(t, "a->s1");
    const Scenario world =
        scenario(t, {event(1s, LinkChange{id, bandwidth_of(Bandwidth::bits_per_second(1000))}),
                     event(2s, LinkChange{id, latency_of(9ms)})});
    const Epochs epochs = compute_epochs(world);
    const HandChange change{.version = 2,
                            .epoch = EpochId{0},
                            .events = {by_hand(9, LinkChange{id, latency_of(30ms)})}};
    const std::vector<PathTable> made = tables_of(epochs.base, compute_version(world, {}, change));
    REQUIRE(made.size() == 3);
    CHECK(made[0].link(id).properties.latency == 30ms);
    CHECK(made[1].link(id).properties.latency == 30ms);
    CHECK(made[1].link(id).properties.bandwidth == Bandwidth::bits_per_second(1000));
    CHECK(made[2].link(id).properties.latency == 9ms);
}

TEST_CASE("reset takes off what hands have done, and shows what was scheduled beneath") {
    const Topology t = topology({"a -- s1: 5ms 10Mbps", "s1 -- b: 5ms"});
    const LinkId id = link(t, "a->s1");
    const Scenario world = scenario(t, {event(1s, LinkChange{id, latency_of(9ms)})});
    const Epochs epochs = compute_epochs(world);
    const HandChange down{
        .version = 2,
        .epoch = EpochId{1},
        .events = {by_hand(9, LinkChange{id, latency_of(30ms)}), by_hand(10, LinkDown{id})}};
    const std::vector<PathTable> file = tables(epochs);
    const std::vector<PathTable> second = tables_of(file[1], compute_version(world, {}, down));
    REQUIRE(second.size() == 1);
    CHECK_FALSE(second[0].link(id).up);
    const HandChange reset{
        .version = 3, .epoch = EpochId{1}, .events = {by_hand(11, LinkReset{id})}};
    const std::vector<PathTable> third =
        tables_of(second[0], compute_version(world, std::vector{down}, reset));
    CHECK(third[0].link(id) == file[1].link(id));
    CHECK(third[0].hash() == file[1].hash());
}

TEST_CASE("a change by hand is seen during an event that lasts for a while, and after it") {
    const Topology t = topology({"a -- s1: 5ms 10Mbps", "s1 -- b: 5ms"});
    const LinkId id = link(t, "a->s1");
    const Scenario world = scenario(t, overlay(1, 1s, 2s, LinkChange{id, latency_of(9ms)}));
    const Epochs epochs = compute_epochs(world);
    const HandChange change{.version = 2,
                            .epoch = EpochId{1},
                            .events = {by_hand(9, LinkChange{id, latency_of(30ms)})}};
    const std::vector<PathTable> made =
        tables_of(tables(epochs)[1], compute_version(world, {}, change));
    REQUIRE(made.size() == 2);
    CHECK(made[0].link(id).properties.latency == 30ms);
    CHECK(made[1].link(id).properties.latency == 30ms);
}

TEST_CASE("two lines in one version apply one after the other") {
    const Topology t = topology({"a -- s1: 5ms 10Mbps", "s1 -- b: 5ms"});
    const LinkId id = link(t, "a->s1");
    const Scenario world = scenario(t);
    const Epochs epochs = compute_epochs(world);
    const HandChange change{.version = 2,
                            .epoch = EpochId{0},
                            .events = {by_hand(9, LinkChange{id, latency_of(30ms)}),
                                       by_hand(10, LinkChange{id, latency_of(20ms)})}};
    const std::vector<PathTable> made = tables_of(epochs.base, compute_version(world, {}, change));
    CHECK(made[0].link(id).properties.latency == 20ms);
}

TEST_CASE("the epoch of an instant is the last that has begun") {
    const std::vector<Epoch> epochs{{}, {.start = ExperimentTime{1s}, .events = {}, .delta = {}}};
    CHECK(epoch_at(epochs, ExperimentTime{-1s}) == EpochId{0});
    CHECK(epoch_at(epochs, ExperimentTime{999ms}) == EpochId{0});
    CHECK(epoch_at(epochs, ExperimentTime{1s}) == EpochId{1});
}
