// Layers of a network's state. The random worlds of test_epochs.cc check the same against
// a state that is worked out from the whole timeline at once.
#include <catch2/catch.hpp>

#include "model/network_state.hh"
#include "tests/model/build.hh"

using namespace pleat;
using namespace pleat::literals;
using namespace pleat::testing;
using namespace std::chrono_literals;

namespace {

// A network, and events that happen to it one after the other.
class World {
  public:
    explicit World(const std::vector<std::string>& lines)
        : topology_{topology(lines)}, state_{topology_} {}

    LinkId link(std::string_view label) const { return testing::link(topology_, label); }

    VertexId point(std::string_view name) const { return vertex(topology_, name); }

    std::vector<LinkId> happens(std::vector<TimedEvent> events) { return state_.apply(events); }

    std::vector<LinkId> happens(Event what) {
        return happens(std::vector{event(0s, std::move(what))});
    }

    std::vector<LinkId> begins(std::uint32_t number, const Event& what) {
        return happens(std::vector{overlay(number, 0s, 1s, what).front()});
    }

    std::vector<LinkId> ends(std::uint32_t number, const Event& what) {
        return happens(std::vector{overlay(number, 0s, 1s, what).back()});
    }

    LinkChange latency(std::string_view label, Duration latency) const {
        LinkPatch patch;
        patch.latency = latency;
        return LinkChange{link(label), patch};
    }

    LinkChange bandwidth(std::string_view label, Bandwidth bandwidth) const {
        LinkPatch patch;
        patch.bandwidth = bandwidth;
        return LinkChange{link(label), patch};
    }

    Partition partition(const std::vector<std::vector<std::string>>& sides) const {
        Partition result;
        for (const auto& names : sides) {
            auto& side = result.sides.emplace_back();
            for (const std::string& name : names) side.push_back(point(name));
        }
        return result;
    }

    const LinkState& at(std::string_view label) const { return state_.links()[link(label).value]; }

    bool up(std::string_view label) const { return at(label).up; }

    const NetworkState& state() const { return state_; }

  private:
    Topology topology_;
    NetworkState state_;
};

const std::vector<std::string> line_of_two{"a -- s1: 1ms 10Mbps", "s1 -- s2: 1ms 10Mbps",
                                           "s2 -- b: 1ms 10Mbps"};

}  // namespace

TEST_CASE("a lasting change replaces only the fields that it names") {
    World w{line_of_two};
    CHECK(w.happens(w.latency("a->s1", 9ms)) == std::vector{w.link("a->s1")});
    CHECK(w.at("a->s1").properties.latency == 9ms);
    CHECK(w.at("a->s1").properties.bandwidth == 10_Mbps);
    CHECK(w.at("s1->a").properties.latency == 1ms);
}

TEST_CASE("a change to what already is changes nothing") {
    World w{line_of_two};
    CHECK(w.happens(w.latency("a->s1", 1ms)).empty());
    CHECK(w.happens(LinkUp{w.link("a->s1")}).empty());
}

TEST_CASE("an overlay that ends uncovers what was set in the meantime") {
    World w{line_of_two};
    const LinkChange slow = w.latency("a->s1", 50ms);
    w.begins(1, slow);
    CHECK(w.at("a->s1").properties.latency == 50ms);
    CHECK(w.happens(w.latency("a->s1", 7ms)).empty());  // beneath
    w.happens(w.bandwidth("a->s1", 3_Mbps));            // another field shows at once
    CHECK(w.at("a->s1").properties.latency == 50ms);
    CHECK(w.at("a->s1").properties.bandwidth == 3_Mbps);
    w.ends(1, slow);
    CHECK(w.at("a->s1").properties.latency == 7ms);
    CHECK(w.at("a->s1").properties.bandwidth == 3_Mbps);
}

TEST_CASE("of two overlays the later is on top, and either may end first") {
    World w{line_of_two};
    const LinkChange first = w.latency("a->s1", 50ms);
    const LinkChange second = w.latency("a->s1", 20ms);
    w.begins(1, first);
    w.begins(2, second);
    CHECK(w.at("a->s1").properties.latency == 20ms);
    w.ends(1, first);
    CHECK(w.at("a->s1").properties.latency == 20ms);
    w.begins(3, first);
    w.ends(3, first);
    w.ends(2, second);
    CHECK(w.at("a->s1").properties.latency == 1ms);
}

TEST_CASE("a link carries only when all its causes let it") {
    World w{line_of_two};
    const auto core = w.link("s1->s2");
    w.happens(LinkDown{core});
    w.happens(VertexDown{w.point("s2")});
    w.happens(w.partition({{"s1"}, {"s2"}}));
    w.happens(LinkUp{core});
    CHECK(!w.up("s1->s2"));
    w.happens(VertexUp{w.point("s2")});
    CHECK(!w.up("s1->s2"));
    CHECK(w.happens(Heal{}) == std::vector{core, w.link("s2->s1")});
    CHECK(w.up("s1->s2"));
}

TEST_CASE("a bridge that leaves takes all its links") {
    World w{line_of_two};
    CHECK(w.happens(VertexDown{w.point("s1")}).size() == 4);
    CHECK(!w.up("a->s1"));
    CHECK(!w.up("s2->s1"));
    CHECK(w.up("s2->b"));
}

TEST_CASE("a link may be down for a while whatever else happens to it") {
    World w{line_of_two};
    const LinkDown cut{w.link("s1->s2")};
    w.begins(1, cut);
    CHECK(w.happens(LinkUp{w.link("s1->s2")}).empty());
    CHECK(!w.up("s1->s2"));
    w.ends(1, cut);
    CHECK(w.up("s1->s2"));
}

TEST_CASE("a partition cuts between its sides and concerns no one else") {
    World w{{"a -- s1: 1ms", "b -- s1: 1ms", "c -- s2: 1ms", "s1 -- s2: 1ms"}};
    w.happens(w.partition({{"a", "s1"}, {"b", "c"}}));
    CHECK(w.up("a->s1"));
    CHECK(!w.up("b->s1"));
    CHECK(w.up("s1->s2"));
    CHECK(w.up("c->s2"));
    CHECK(w.state().partitions() == std::vector<Sides>{{1, 2, 2}});
}

TEST_CASE("partitions add up, the same one twice is one, and heal ends all") {
    World w{line_of_two};
    const Partition hosts = w.partition({{"a"}, {"b"}});
    const Partition bridges = w.partition({{"s1"}, {"s2"}});
    w.happens(hosts);
    w.happens(hosts);
    w.begins(1, bridges);
    CHECK(w.state().partitions() == std::vector<Sides>{{1, 2}});
    CHECK(!w.up("s1->s2"));
    w.happens(Heal{});
    CHECK(w.state().partitions().empty());
    CHECK(w.up("s1->s2"));
    CHECK(w.ends(1, bridges).empty());
}

TEST_CASE("a heal for a while uncovers the partitions when it ends") {
    World w{line_of_two};
    w.happens(w.partition({{"s1"}, {"s2"}}));
    w.begins(1, Heal{});
    CHECK(w.up("s1->s2"));
    w.ends(1, Heal{});
    CHECK(!w.up("s1->s2"));
}

TEST_CASE("simultaneous events have the same effect in any order") {
    const std::vector<std::string>& lines = line_of_two;
    const World names{lines};
    std::vector<TimedEvent> events{
        event(0s, LinkUp{names.link("a->s1")}),
        event(0s, LinkDown{names.link("a->s1")}),
        event(0s, names.latency("s2->b", 4ms)),
        event(0s, names.latency("s2->b", 6ms)),
        event(0s, Heal{}),
        event(0s, names.partition({{"s1"}, {"s2"}})),
    };
    std::ranges::sort(events);
    do {
        World w{lines};
        w.happens(events);
        CHECK(!w.up("a->s1"));
        CHECK(!w.up("s1->s2"));
        CHECK(w.at("s2->b").properties.latency == 6ms);
    } while (std::ranges::next_permutation(events).found);
}

TEST_CASE("an end without its beginning does nothing") {
    World w{line_of_two};
    CHECK(w.ends(1, LinkDown{w.link("a->s1")}).empty());
    CHECK(w.ends(1, Heal{}).empty());
}
