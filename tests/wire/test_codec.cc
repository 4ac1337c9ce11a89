// Messages survive the way over the wire; whatever is not one is refused without harm.
#include <catch2/catch.hpp>

#include "model/epochs.hh"
#include "tests/model/build.hh"
#include "tests/wire/random_messages.hh"

using namespace pleat;
using namespace pleat::testing;
using namespace std::chrono_literals;

namespace {

std::string with_flipped_bit(std::string bytes, Random& random) {
    const auto bit =
        static_cast<std::size_t>(below(random, static_cast<int>(bytes.size()) * 8 - 1));
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    return bytes;
}

// Replaces every occurrence of one fixed number by another of the same length.
std::string with_replaced(std::string bytes, const std::string& from, const std::string& to) {
    const std::size_t at = bytes.find(from);
    REQUIRE(at != std::string::npos);
    return bytes.replace(at, from.size(), to);
}

Submit small_submit() {
    Scenario s = scenario(topology({"a -- s1: 5ms 10Mbps loss=25%", "s1 -- b: 1ms"}));
    return {.scenario = s, .source_text = "text", .options = {}};
}

}  // namespace

TEST_CASE("every kind of control message survives encoding") {
    Random random{1};
    for (std::size_t kind = 0; kind < kControlKinds; ++kind) {
        for (int i = 0; i < 60; ++i) {
            const ControlMessage message = random_control(random, kind);
            const Envelope sent{.run = "r-1", .sender = "local", .sequence = random()};
            Envelope received;
            const auto decoded = decode_control(encode(message, sent), &received);
            CAPTURE(kind, i);
            if (!decoded) FAIL(decoded.error().message);
            CHECK(*decoded == message);
            CHECK(received == sent);
        }
    }
}

TEST_CASE("state messages and log records survive encoding") {
    Random random{2};
    for (int i = 0; i < 1000; ++i) {
        const StateMessage state = random_state(random);
        CHECK(decode_state(encode(state)).value() == state);
        const LogRecord record = random_record(random);
        CHECK(decode_record(encode(record)).value() == record);
    }
}

TEST_CASE("scenarios, tables and deltas survive the store") {
    Random random{3};
    for (int i = 0; i < 100; ++i) {
        const Scenario scenario = random_scenario(random);
        CHECK(decode_scenario(encode(scenario)).value() == scenario);
        const Epochs epochs = compute_epochs(scenario);
        const auto table = decode_table(encode(epochs.base), scenario.topology);
        if (!table) FAIL(table.error().message);
        CHECK(table->hash() == epochs.base.hash());
        for (const Epoch& epoch : epochs.epochs) {
            CHECK(decode_delta(encode(epoch.delta)).value() == epoch.delta);
        }
    }
}

TEST_CASE("a cut or changed message is refused or harmless, never a crash") {
    Random random{4};
    int refused = 0;
    for (std::size_t kind = 0; kind < kControlKinds; ++kind) {
        for (int i = 0; i < 5; ++i) {
            const std::string bytes = encode(random_control(random, kind));
            const auto cut =
                static_cast<std::size_t>(below(random, static_cast<int>(bytes.size()) - 1));
            if (!decode_control(bytes.substr(0, cut))) ++refused;
            for (int n = 0; n < 40; ++n) {
                const auto decoded = decode_control(with_flipped_bit(bytes, random));
                if (!decoded) {
                    ++refused;
                } else if (const auto* submit = std::get_if<Submit>(&*decoded)) {
                    // What is accepted can be worked with.
                    compute_epochs(submit->scenario);
                }
            }
        }
    }
    CHECK(refused > 1000);
    for (int i = 0; i < 3000; ++i) {
        const std::string state = with_flipped_bit(encode(random_state(random)), random);
        if (const auto decoded = decode_state(state)) encode(*decoded);
        const std::string record = encode(random_record(random));
        if (!record.empty()) decode_record(with_flipped_bit(record, random)).has_value();
    }
}

TEST_CASE("noise is refused") {
    Random random{5};
    CHECK_FALSE(decode_control(""));
    CHECK_FALSE(decode_state(""));
    CHECK_FALSE(decode_record(""));
    for (int i = 0; i < 2000; ++i) {
        std::string noise(static_cast<std::size_t>(1 + below(random, 60)), '\0');
        for (char& c : noise) c = static_cast<char>(below(random, 255));
        CHECK_FALSE(decode_control(noise));
        CHECK_FALSE(decode_state(noise));
    }
}

TEST_CASE("a message of another version is refused, and says so") {
    std::string bytes = encode(ControlMessage{Shutdown{}});
    REQUIRE(bytes.substr(0, 2) == std::string{"\x08\x01"});  // field 1: version
    bytes[1] = 2;
    const auto decoded = decode_control(bytes);
    REQUIRE_FALSE(decoded);
    CHECK(decoded.error().message == "bad control message: it is of another version of pleat");
}

TEST_CASE("a probability above 1 is refused") {
    const std::string quarter{"\x00\x00\x00\x00\x00\x00\xd0\x3f", 8};
    const std::string two{"\x00\x00\x00\x00\x00\x00\x00\x40", 8};
    const std::string nan{"\x00\x00\x00\x00\x00\x00\xf8\x7f", 8};
    const std::string bytes = encode(ControlMessage{small_submit()});
    for (const std::string& wrong : {two, nan}) {
        const auto decoded = decode_control(with_replaced(bytes, quarter, wrong));
        REQUIRE_FALSE(decoded);
        CHECK(decoded.error().message ==
              "bad control message: a probability that is not from 0 to 1");
    }
}

TEST_CASE("a lateness below zero is refused") {
    using namespace std::chrono_literals;
    const ExperimentTime second{1s};
    CHECK(decode_record(encode(LogRecord{LatenessRecord{second, 0ms, 0ms}})));
    for (const auto& wrong :
         {LatenessRecord{second, -1ns, 0ms}, LatenessRecord{second, 0ms, -1ns}}) {
        const auto decoded = decode_record(encode(LogRecord{wrong}));
        REQUIRE_FALSE(decoded);
        CHECK_THAT(decoded.error().message, Catch::Contains("a lateness below zero"));
    }
}

TEST_CASE("a topology whose ids would come out differently is refused") {
    Submit submit = small_submit();
    const std::string bytes = encode(ControlMessage{submit});
    // Hosts "a" and "b" change places.
    std::string swapped = with_replaced(bytes,
                                        "\x0a\x01"
                                        "a\x12\x01"
                                        "a",
                                        "\x0a\x01"
                                        "c\x12\x01"
                                        "c");
    const auto decoded = decode_control(swapped);
    REQUIRE_FALSE(decoded);
    CHECK(decoded.error().message ==
          "bad control message: a topology that is not in the order of its ids");
}

TEST_CASE("an event of what does not exist is refused") {
    Submit submit = small_submit();
    submit.scenario.timeline = {event(1s, LinkDown{LinkId{4}})};  // there are 0 .. 3
    CHECK_FALSE(decode_control(encode(ControlMessage{submit})));
    submit.scenario.timeline = {event(1s, LinkDown{LinkId{3}})};
    CHECK(decode_control(encode(ControlMessage{submit})));
    submit.scenario.timeline = {event(1s, VertexDown{VertexId{3}})};  // there are 0 .. 2
    CHECK_FALSE(decode_control(encode(ControlMessage{submit})));
    submit.scenario.timeline = {event(1s, HostAction{HostAction::Kind::stop, HostId{2}})};
    CHECK_FALSE(decode_control(encode(ControlMessage{submit})));
    submit.scenario.timeline = {event(2s, Heal{}), event(1s, Heal{})};
    CHECK_FALSE(decode_control(encode(ControlMessage{submit})));
}

TEST_CASE("a path table is refused when it leads nowhere or runs in a circle") {
    const Topology world = topology(
        {"a -- s1: 1ms", "s1 -- s2: 1ms", "s2 -- s3: 1ms", "s3 -- s1: 1ms", "s3 -- b: 1ms"});
    const PathTable good = compute_epochs(scenario(world)).base;
    REQUIRE(decode_table(encode(good), world));
    const auto with_tree = [&](Parents parents) {
        std::vector<PathTable::Tree> trees{good.trees().begin(), good.trees().end()};
        trees[0] = std::make_shared<const Parents>(std::move(parents));
        return PathTable{1, EpochId{0}, {good.links().begin(), good.links().end()}, trees, {}};
    };
    const LinkId to_s2 = link(world, "s1->s2");
    const LinkId to_s3 = link(world, "s2->s3");
    const LinkId to_s1 = link(world, "s3->s1");
    CHECK(decode_table(encode(with_tree({kNoLink, to_s2, to_s3})), world));
    CHECK_FALSE(decode_table(encode(with_tree({to_s1, to_s2, to_s3})), world));    // a circle
    CHECK_FALSE(decode_table(encode(with_tree({kNoLink, to_s3, to_s2})), world));  // other ends
    CHECK_FALSE(decode_table(encode(with_tree({kNoLink, LinkId{99}, to_s3})), world));
    CHECK_FALSE(decode_table(encode(with_tree({kNoLink, kNoLink, to_s3})), world));  // no source
    CHECK_FALSE(decode_table(encode(good), topology({"a -- s1: 1ms", "s1 -- b: 1ms"})));
}

TEST_CASE("a state update takes about two bytes a flow") {
    StateUpdate update{
        .publisher = "m1", .incarnation = 1, .sequence = 1, .epoch = {}, .flows = {}, .hosts = {}};
    for (std::uint32_t source = 0; source < 10; ++source) {
        for (std::uint32_t destination = 0; destination < 67; ++destination) {
            update.flows.push_back({{HostId{source}, HostId{destination}}, DemandState::greedy()});
        }
    }
    const std::string bytes = encode(StateMessage{update});
    CHECK(bytes.size() < update.flows.size() * 22 / 10);
    update.flows.resize(1);
    CHECK(encode(StateMessage{update}).size() < 40);
}

TEST_CASE("of two states of one flow the later one is sent, and flows come in order") {
    const FlowKey a{HostId{1}, HostId{2}};
    const FlowKey b{HostId{0}, HostId{5}};
    const StateUpdate update{
        .publisher = "m1",
        .incarnation = 1,
        .sequence = 1,
        .epoch = {},
        .flows = {{a, DemandState::greedy()}, {b, DemandState::greedy()}, {a, DemandState::gone()}},
        .hosts = {}};
    const auto decoded = std::get<StateUpdate>(decode_state(encode(StateMessage{update})).value());
    REQUIRE(decoded.flows.size() == 2);
    CHECK(decoded.flows[0] == FlowState{b, DemandState::greedy()});
    CHECK(decoded.flows[1] == FlowState{a, DemandState::gone()});
}

TEST_CASE("a message longer than allowed is refused before it is read") {
    const std::string zeros(kMaxStateBytes + 1, '\0');
    const auto decoded = decode_state(zeros);
    REQUIRE_FALSE(decoded);
    CHECK(decoded.error().message == "bad state message: it is longer than is allowed");
}
