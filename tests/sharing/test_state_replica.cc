// What a machine does with the states of another. Numbers in parentheses are those of
// the replica's file.
#include <catch2/catch.hpp>

#include "node/sharing/state_replica.hh"

using namespace pleat;
using namespace pleat::literals;
using namespace std::chrono_literals;

namespace {

constexpr FlowKey kA{HostId{0}, HostId{1}};
constexpr FlowKey kB{HostId{2}, HostId{3}};

// A publisher, and what a replica does with its words, as text: "apply 2", "drop", "ask".
class Talk {
  public:
    std::string update(std::uint64_t sequence, std::vector<FlowState> flows) {
        return text(replica.receive(message(sequence, std::move(flows)), now));
    }

    std::string heartbeat(std::uint64_t sequence, const std::vector<FlowState>& full) {
        FlowStates states;
        for (const FlowState& flow : full) states.set(flow.flow, flow.state);
        return text(
            replica.receive(Heartbeat{"m2", incarnation, sequence, states.digest(), {}}, now));
    }

    std::string snapshot(std::uint64_t sequence, std::vector<FlowState> flows) {
        return text(replica.receive_snapshot(message(sequence, std::move(flows)), now));
    }

    std::string wait(Duration time) {
        std::string all;
        for (const Instant end = now + time; now < end;) {
            now += 50ms;
            const std::string said = text(replica.tick(now));
            if (!said.empty()) all += (all.empty() ? "" : ", ") + said;
        }
        return all;
    }

    StateReplica replica;
    Instant now{100s};
    std::uint64_t incarnation = 7;

  private:
    StateUpdate message(std::uint64_t sequence, std::vector<FlowState> flows) const {
        StateUpdate update;
        update.publisher = "m2";
        update.incarnation = incarnation;
        update.sequence = sequence;
        update.flows = std::move(flows);
        return update;
    }

    static std::string text(const StateReplica::Actions& actions) {
        std::string all;
        for (const ReplicaAction& action : actions) {
            if (!all.empty()) all += ", ";
            if (const auto* apply = std::get_if<ApplyStates>(&action)) {
                all += "apply " + std::to_string(apply->flows.size());
            } else {
                all += std::holds_alternative<DropStates>(action) ? "drop" : "ask";
            }
        }
        return all;
    }
};

const FlowState greedy_a{kA, DemandState::greedy()};
const FlowState greedy_b{kB, DemandState::greedy()};
const FlowState gone_a{kA, DemandState::gone()};

}  // namespace

TEST_CASE("updates in order are applied, older ones dropped (2)") {
    Talk talk;
    CHECK(talk.heartbeat(0, {}).empty());
    CHECK(talk.update(1, {greedy_a}) == "apply 1");
    CHECK(talk.update(2, {gone_a, greedy_b}) == "apply 2");
    CHECK(talk.update(1, {greedy_a}).empty());
    CHECK(talk.update(2, {greedy_a}).empty());
    CHECK(talk.heartbeat(2, {greedy_b}).empty());
    CHECK(talk.replica.in_step("m2"));
}

TEST_CASE("after a gap a snapshot is asked for, and what came meanwhile applied after it (2)") {
    Talk talk;
    CHECK(talk.update(1, {greedy_a}) == "apply 1");
    CHECK(talk.update(3, {greedy_b}) == "ask");
    CHECK(talk.update(4, {gone_a}).empty());
    CHECK(talk.update(5, {greedy_a}).empty());
    CHECK_FALSE(talk.replica.in_step("m2"));
    CHECK(talk.snapshot(4, {greedy_b}) == "drop, apply 1, apply 1");
    CHECK(talk.heartbeat(5, {greedy_a, greedy_b}).empty());
    CHECK(talk.replica.in_step("m2"));
}

TEST_CASE("a gap behind the snapshot is asked for again (2)") {
    Talk talk;
    CHECK(talk.update(2, {greedy_a}) == "ask");
    CHECK(talk.update(5, {greedy_b}).empty());
    CHECK(talk.snapshot(3, {greedy_a}) == "drop, apply 1, ask");
    CHECK(talk.snapshot(5, {greedy_a, greedy_b}) == "drop, apply 2");
    CHECK(talk.replica.in_step("m2"));
}

TEST_CASE("one who joins late asks for what was said before (2)") {
    Talk talk;
    CHECK(talk.heartbeat(12, {greedy_a}) == "ask");
    CHECK(talk.snapshot(12, {greedy_a}) == "drop, apply 1");
    CHECK(talk.heartbeat(12, {greedy_a}).empty());
}

TEST_CASE("a digest that is not ours is asked about (2)") {
    Talk talk;
    CHECK(talk.update(1, {greedy_a}) == "apply 1");
    CHECK(talk.heartbeat(1, {greedy_a, greedy_b}) == "ask");
    CHECK(talk.snapshot(1, {greedy_a, greedy_b}) == "drop, apply 2");
    CHECK(talk.heartbeat(1, {greedy_a, greedy_b}).empty());
}

TEST_CASE("a heartbeat that was overtaken by an update says nothing") {
    Talk talk;
    CHECK(talk.update(1, {greedy_a}) == "apply 1");
    CHECK(talk.update(2, {greedy_b}) == "apply 1");
    CHECK(talk.heartbeat(1, {greedy_a}).empty());
}

TEST_CASE("a later incarnation discards, an earlier one is not heard (1)") {
    Talk talk;
    CHECK(talk.update(1, {greedy_a}) == "apply 1");
    talk.incarnation = 8;
    CHECK(talk.update(1, {greedy_b}) == "drop, apply 1");
    CHECK(talk.heartbeat(1, {greedy_b}).empty());
    talk.incarnation = 7;
    CHECK(talk.update(2, {greedy_a}).empty());
    CHECK(talk.heartbeat(9, {}).empty());
    CHECK(talk.snapshot(9, {}).empty());
}

TEST_CASE("requests are repeated with patience, one at a time (3)") {
    Talk talk;
    CHECK(talk.update(5, {greedy_a}) == "ask");
    CHECK(talk.update(7, {greedy_a}).empty());
    CHECK(talk.heartbeat(7, {}).empty());
    CHECK(talk.wait(150ms).empty());
    CHECK(talk.wait(100ms) == "ask");
    CHECK(talk.wait(300ms).empty());
    CHECK(talk.wait(100ms) == "ask");
    CHECK(talk.wait(700ms).empty());
    CHECK(talk.wait(100ms) == "ask");
}

TEST_CASE("a publisher that is silent for three heartbeats is dropped (4)") {
    Talk talk;
    CHECK(talk.update(1, {greedy_a}) == "apply 1");
    CHECK(talk.wait(2800ms).empty());
    CHECK(talk.heartbeat(1, {greedy_a}).empty());
    CHECK(talk.wait(2900ms).empty());
    CHECK(talk.wait(100ms) == "drop");
    CHECK(talk.heartbeat(1, {greedy_a}) == "ask");
}

TEST_CASE("a word between heartbeats keeps a publisher, and makes none (4)") {
    Talk talk;
    CHECK(talk.update(1, {greedy_a}) == "apply 1");
    for (int i = 0; i < 4; ++i) {
        CHECK(talk.wait(2500ms).empty());
        talk.replica.receive_alive("m2", talk.now);
    }
    CHECK(talk.wait(3s) == "drop");
    talk.replica.receive_alive("m2", talk.now);
    CHECK_FALSE(talk.replica.heard("m2"));
    CHECK(talk.heartbeat(1, {greedy_a}) == "ask");
}

TEST_CASE("a snapshot older than what is known changes nothing") {
    Talk talk;
    CHECK(talk.update(1, {greedy_a}) == "apply 1");
    CHECK(talk.update(2, {greedy_b}) == "apply 1");
    CHECK(talk.snapshot(1, {greedy_a}).empty());
    CHECK(talk.heartbeat(2, {greedy_a, greedy_b}).empty());
}
