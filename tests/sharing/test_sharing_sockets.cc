// One node's sharing over real sockets, with peers that are in no shape to be talked to: slow
// ones, and ones that say what is not so. Every wait has a deadline.
#include <map>

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <zmq.hpp>

#include "base/log.hh"
#include "model/epochs.hh"
#include "node/run_sharing.hh"
#include "tests/sharing/dumbbell.hh"
#include "tests/wire/temporary_directory.hh"

using namespace pleat;
using namespace pleat::literals;
using namespace pleat::testing;
using namespace std::chrono_literals;

namespace {

const std::string run_name = "r-1";

struct Network {
    Network() { log::silence(); }

    HostId host(const std::string& name) const { return *scenario.topology.find_host(name); }

    FlowKey flow(std::size_t i) const {
        const std::string index = "[" + std::to_string(i) + "]";
        return {host("client" + index), host("server" + index)};
    }

    TemporaryDirectory directory;
    Scenario scenario = dumbbell(3, 60_Mbps);
    PathFolder folder{scenario};
    std::shared_ptr<const PathTable> base =
        std::make_shared<const PathTable>(compute_epochs(scenario).base);
};

// SharingNode m<i> with client[i] and server[i], in a loop of its own: while that does not run,
// it reads nothing.
class SharingNode {
  public:
    SharingNode(const Network& network, std::size_t index)
        : network_{network},
          flow_{network.flow(index)},
          name_{"m" + std::to_string(index)},
          sockets_{loop_, "ipc://" + network.directory.path() + "/" + name_ + "-s",
                   "ipc://" + network.directory.path() + "/" + name_ + "-f"} {}

    Peer as_peer() const {
        std::vector<HostId> hosts{flow_.source, flow_.destination};
        std::ranges::sort(hosts);
        return {name_, sockets_.address(), hosts};
    }

    void join(std::vector<Peer> peers) {
        sharing_ = std::make_unique<RunSharing>(
            loop_, sockets_,
            SharingMember{.run = run_name,
                          .node = name_,
                          .incarnation = 7,
                          .compare_shares = false,
                          .peers = std::move(peers)},
            network_.folder, network_.base,
            RunSharingOutputs{.set_caps = {},
                              .share =
                                  [this](FlowKey flow, Bandwidth share, Instant) {
                                      if (flow == flow_) share_ = share;
                                  },
                              .published = {},
                              .host = [this](HostId host, const HostStatus&) { told_of = host; },
                              .peer_heard = {},
                              .peer_lost = [this](const Peer& peer) { lost.push_back(peer.name); },
                              .problem = {}});
    }

    // Its flow is backlogged from now on.
    void start() { sends_ = true; }

    // What its flow may have now.
    std::optional<Bandwidth> share() const { return share_; }

    RunSharing& sharing() { return *sharing_; }

    const SharingSockets& sockets() const { return sockets_; }

    // Runs for a moment, and ticks every 10 ms.
    void turn() {
        loop_.restart();
        loop_.run_one_for(2ms);
        loop_.poll();
        const Instant now = monotonic_now();
        if (now - last_tick_ < 10ms) return;
        last_tick_ = now;
        if (sends_) touch(now, 10);
        if (!sharing_->sharer().idle()) sharing_->sharer().tick(now);
    }

    // So many updates at once: each of them takes a while of the sharer's time, not of ours.
    void publish(std::size_t updates) {
        const std::uint64_t before = sharing_->traffic().messages_sent;
        Instant now = monotonic_now();
        while (sharing_->traffic().messages_sent < before + updates) {
            touch(now, 100);
            for (int i = 0; i < 12; ++i) {
                touch(now += 10ms, 100);
                sharing_->sharer().tick(now);
            }
            counters_->queued_bytes = 0;
            counters_->waiting_since_ns = 0;
            sharing_->sharer().host_crashed(flow_.source, now);
        }
    }

    std::optional<HostId> told_of;
    std::vector<std::string> lost;

  private:
    void touch(Instant now, std::uint64_t packets) {
        counters_->last_arrival_ns = now.time_since_epoch().count();
        if (counters_->waiting_since_ns == 0) {
            counters_->waiting_since_ns = counters_->last_arrival_ns.load();
        }
        counters_->queued_bytes = 100'000;
        counters_->packets += packets;
        counters_->bytes += packets * 1514;
        sharing_->sharer().flow_started({flow_, now, counters_}, now);
    }

    const Network& network_;
    FlowKey flow_;
    std::string name_;
    boost::asio::io_context loop_;
    SharingSockets sockets_;
    std::unique_ptr<RunSharing> sharing_;
    std::shared_ptr<FlowCounters> counters_ = std::make_shared<FlowCounters>();
    bool sends_ = false;
    std::optional<Bandwidth> share_;
    Instant last_tick_;
};

bool until(std::initializer_list<SharingNode*> machines, const std::function<bool()>& condition) {
    const Instant deadline = monotonic_now() + 20s;
    while (!condition()) {
        if (monotonic_now() > deadline) return false;
        for (SharingNode* const machine : machines) machine->turn();
    }
    return true;
}

Bandwidth part(int of) {
    return Bandwidth::bits_per_second(60'000'000 / of);
}

// A peer that the test speaks for, byte by byte.
class Liar {
  public:
    explicit Liar(const Network& network)
        : network_{network},
          states_{"ipc://" + network.directory.path() + "/liar-s"},
          snapshots_{"ipc://" + network.directory.path() + "/liar-f"} {
        pub_.bind(states_);
        pub_.set(zmq::sockopt::linger, 0);
        router_.bind(snapshots_);
        router_.set(zmq::sockopt::linger, 0);
    }

    Peer as_peer() const {
        std::vector<HostId> hosts{network_.flow(1).source, network_.flow(1).destination};
        std::ranges::sort(hosts);
        return {"m1", {.states = states_, .snapshots = snapshots_, .key = {}}, hosts};
    }

    void say(const std::string& bytes) {
        pub_.send(zmq::buffer(run_name), zmq::send_flags::sndmore);
        pub_.send(zmq::buffer(bytes), zmq::send_flags::none);
    }

    void say(const StateMessage& message) { say(encode(message)); }

    // Answers all who ask for the whole state. How many did?
    std::size_t answer(const std::vector<std::string>& with) {
        std::size_t asked = 0;
        zmq::message_t who;
        while (router_.recv(who, zmq::recv_flags::dontwait)) {
            zmq::message_t part;
            while (router_.get(zmq::sockopt::rcvmore)) {
                if (!router_.recv(part, zmq::recv_flags::dontwait)) break;
            }
            ++asked;
            for (const std::string& bytes : with) {
                router_.send(zmq::buffer(who.data(), who.size()), zmq::send_flags::sndmore);
                router_.send(zmq::buffer(bytes), zmq::send_flags::none);
            }
        }
        return asked;
    }

  private:
    const Network& network_;
    std::string states_;
    std::string snapshots_;
    zmq::context_t context_;
    zmq::socket_t pub_{context_, zmq::socket_type::pub};
    zmq::socket_t router_{context_, zmq::socket_type::router};
};

StateUpdate update(std::uint64_t sequence, std::vector<FlowState> flows) {
    return {.publisher = "m1",
            .incarnation = 7,
            .sequence = sequence,
            .epoch = {},
            .flows = std::move(flows),
            .hosts = {}};
}

Heartbeat heartbeat(std::uint64_t sequence, const std::vector<FlowState>& full) {
    FlowStates states;
    for (const FlowState& flow : full) states.set(flow.flow, flow.state);
    return {.publisher = "m1",
            .incarnation = 7,
            .sequence = sequence,
            .digest = digest_with(states.digest(), {}),
            .shares = {}};
}

}  // namespace

TEST_CASE(
    "a machine that does not read for long costs the others nothing, and has the latest "
    "state when it reads again") {
    constexpr std::size_t kUpdates = 20'000;
    Network network;
    SharingNode writer{network, 0};
    SharingNode reader{network, 1};
    SharingNode sleeper{network, 2};
    writer.join({reader.as_peer(), sleeper.as_peer()});
    reader.join({writer.as_peer(), sleeper.as_peer()});
    sleeper.join({writer.as_peer(), reader.as_peer()});
    REQUIRE(until({&writer, &reader, &sleeper}, [&] {
        return writer.sharing().all_heard() && reader.sharing().all_heard() &&
               sleeper.sharing().all_heard();
    }));
    reader.start();
    sleeper.start();
    // From here on the sleeper's loop does not run. More than all its queues hold is said.
    for (std::size_t said = 0; said < kUpdates; said += 500) {
        writer.publish(500);
        // The reader is up to date each time, as if nobody slept.
        writer.start();
        REQUIRE(until({&writer, &reader}, [&] { return reader.share() == part(2); }));
        reader.turn();
    }
    CHECK(sleeper.share() != part(3));
    CHECK(until({&writer, &reader, &sleeper}, [&] {
        return writer.share() == part(3) && reader.share() == part(3) && sleeper.share() == part(3);
    }));
}

TEST_CASE("what a peer says that can't be so changes nothing, and what it says next counts") {
    Network network;
    SharingNode machine{network, 0};
    Liar peer{network};
    machine.join({peer.as_peer()});
    machine.start();
    const FlowState its{network.flow(1), DemandState::greedy()};
    // A subscription is on its way: what is said before it arrives is lost.
    REQUIRE(until({&machine}, [&] {
        peer.say(heartbeat(0, {}));
        return machine.sharing().all_heard();
    }));
    REQUIRE(until({&machine}, [&] { return machine.share() == part(1); }));
    // In order, and heard at once.
    peer.say(update(1, {its}));
    REQUIRE(until({&machine}, [&] { return machine.share() == part(2); }));

    std::vector<StateMessage> lies;
    std::vector<std::string> noise;
    bool must_be_quick = true;
    SECTION("in another's name") {
        StateUpdate forged = update(2, {{its.flow, DemandState::gone()}});
        forged.publisher = "m0";
        lies.emplace_back(forged);
        forged.publisher = "nobody";
        lies.emplace_back(forged);
    }
    SECTION("of flows that are not its own, or of nobody's") {
        lies.emplace_back(update(2, {{network.flow(0), DemandState::limited(1_Mbps)}}));
        lies.emplace_back(update(3, {{{HostId{100}, HostId{101}}, DemandState::greedy()},
                                     {{HostId{1}, HostId{1}}, DemandState::greedy()}}));
    }
    SECTION("of hosts that are not its own") {
        StateUpdate hosts = update(2, {});
        hosts.hosts[network.flow(0).source] = {};
        hosts.hosts[HostId{100}] = {};
        lies.emplace_back(hosts);
    }
    SECTION("once more, or of long ago") {
        lies.emplace_back(update(1, {{its.flow, DemandState::gone()}}));
        lies.emplace_back(update(0, {{its.flow, DemandState::gone()}}));
        StateUpdate before = update(9, {{its.flow, DemandState::gone()}});
        before.incarnation = 6;
        lies.emplace_back(before);
        Heartbeat old = heartbeat(0, {});
        lies.emplace_back(old);
        old.incarnation = 6;
        old.sequence = 9;
        lies.emplace_back(old);
    }
    SECTION("cut short, too long, or nothing at all") {
        const std::string whole = encode(StateMessage{update(2, {})});
        for (std::size_t length = 0; length < whole.size(); ++length) {
            noise.push_back(whole.substr(0, length));
        }
        noise.emplace_back(100'000, '\xff');
    }
    SECTION("longer than any state can be: then the connection must be made anew") {
        must_be_quick = false;
        noise.emplace_back(kMaxStateBytes + 1, 'x');
    }
    for (const StateMessage& lie : lies) peer.say(lie);
    for (const std::string& bytes : noise) peer.say(bytes);

    // What counts comes after it all, also when the connection had to be made anew.
    const std::vector<FlowState> more{
        its, {{network.flow(1).destination, network.flow(1).source}, DemandState::greedy()}};
    const std::string full = encode(StateMessage{update(20, more)});
    bool right = true;
    REQUIRE(until({&machine}, [&] {
        right = right && machine.share() == part(2);
        peer.say(heartbeat(20, more));
        return peer.answer({full}) > 0;
    }));
    if (must_be_quick) CHECK(right);
    CHECK(machine.told_of == std::nullopt);
    REQUIRE(until({&machine}, [&] {
        peer.answer({full});
        return machine.sharing().sharer().epoch() == EpochId{0} && machine.sharing().all_heard();
    }));
    peer.say(update(21, {{its.flow, DemandState::gone()}}));
    CHECK(until({&machine}, [&] {
        peer.answer({full});
        return machine.share() == part(1);
    }));
    if (must_be_quick) CHECK(machine.lost.empty());
}

TEST_CASE("answers to who asks for the whole state are believed only when they can be so") {
    Network network;
    SharingNode machine{network, 0};
    Liar peer{network};
    machine.join({peer.as_peer()});
    machine.start();
    const FlowState its{network.flow(1), DemandState::greedy()};
    REQUIRE(until({&machine}, [&] {
        peer.say(heartbeat(5, {its}));
        return machine.sharing().all_heard() && machine.share() == part(1);
    }));
    StateUpdate forged = update(5, {{network.flow(1), DemandState::limited(1_Mbps)}});
    forged.publisher = "m2";
    StateUpdate old = update(5, {});
    old.incarnation = 6;
    const std::string right = encode(StateMessage{update(5, {its})});
    std::vector<std::string> wrong{"",
                                   "x",
                                   right.substr(0, right.size() / 2),
                                   encode(StateMessage{heartbeat(5, {its})}),
                                   encode(StateMessage{forged}),
                                   encode(StateMessage{old})};
    std::size_t enough = 2;  // with 200 ms between: the first answers were none
    SECTION("or are too long: then the connection must be made anew") {
        wrong.emplace_back(kMaxStateBytes + 1, 'x');
        enough = 1;
    }
    SECTION("and end no connection") {}
    std::size_t asked = 0;
    bool changed = false;
    REQUIRE(until({&machine}, [&] {
        asked += peer.answer(wrong);
        peer.say(heartbeat(5, {its}));
        changed = changed || machine.share() != part(1);
        return asked >= enough;
    }));
    CHECK_FALSE(changed);
    CHECK(until({&machine}, [&] {
        peer.say(heartbeat(5, {its}));
        peer.answer({right});
        return machine.share() == part(2);
    }));
    // An answer of long ago, that nobody asked for any more.
    std::vector<std::string> late{encode(StateMessage{update(4, {})}), right};
    peer.say(update(7, {}));
    REQUIRE(until({&machine}, [&] { return peer.answer(late) > 0; }));
    const Instant then = monotonic_now();
    REQUIRE(until({&machine}, [&] { return monotonic_now() - then > 100ms; }));
    CHECK(machine.share() == part(2));
}

TEST_CASE("requests for the whole state that make no sense are dropped, and others answered") {
    Network network;
    SharingNode machine{network, 0};
    Liar peer{network};
    machine.join({peer.as_peer()});
    machine.start();
    zmq::context_t context;
    zmq::socket_t dealer{context, zmq::socket_type::dealer};
    dealer.set(zmq::sockopt::linger, 0);
    dealer.connect(machine.sockets().address().snapshots);
    const auto ask = [&dealer](const std::vector<std::string>& parts) {
        for (std::size_t i = 0; i < parts.size(); ++i) {
            const bool last = i + 1 == parts.size();
            dealer.send(zmq::buffer(parts[i]),
                        last ? zmq::send_flags::none : zmq::send_flags::sndmore);
        }
    };
    ask({""});
    ask({"snapshot"});
    ask({"snapshot", "r-another"});
    ask({"state", run_name});
    ask({"snapshot", run_name, "more"});
    ask({"snapshot", run_name, "more", "and", "more"});
    ask({std::string(10'000, '\xff'), std::string(10'000, '\0')});
    ask({"snapshot", run_name});
    zmq::message_t answer;
    REQUIRE(until({&machine},
                  [&] { return dealer.recv(answer, zmq::recv_flags::dontwait).has_value(); }));
    const Result<StateMessage> full = decode_state(answer.to_string());
    REQUIRE(full);
    CHECK(std::get<StateUpdate>(*full).publisher == "m0");
    const Instant then = monotonic_now();
    REQUIRE(until({&machine}, [&] { return monotonic_now() - then > 50ms; }));
    CHECK_FALSE(dealer.recv(answer, zmq::recv_flags::dontwait));
    // One that is too long ends the connection it came through, no more.
    ask({std::string(kMaxStateBytes + 1, 'x')});
    CHECK(until({&machine}, [&] {
        ask({"snapshot", run_name});
        return dealer.recv(answer, zmq::recv_flags::dontwait).has_value();
    }));
}
