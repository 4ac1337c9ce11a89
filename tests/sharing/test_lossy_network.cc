// Machines over a control network that delays, loses, doubles, reorders, repeats what is
// long past and cuts messages short. Time is simulated, every random draw seeded. Whatever
// happened, a while after the last change every flow has the share that a solver which knows
// nothing of ours (sharing_problems.hh) makes of the flows that send, and all machines hold
// the same states and have computed the same shares, to the last bit.
#include <functional>
#include <map>
#include <queue>
#include <random>
#include <set>

#include <catch2/catch.hpp>

#include "model/epochs.hh"
#include "tests/sharing/dumbbell.hh"
#include "tests/sharing/sharing_machine.hh"
#include "tests/sharing/sharing_problems.hh"

using namespace pleat;
using namespace pleat::literals;
using namespace pleat::testing;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kMachines = 4;
constexpr std::uint32_t kPairs = 12;

struct Network {
    Duration least = 20ms;
    Duration most = 60ms;
    double loss = 0.05;
    double doubled = 0.05;
    double repeated = 0.0;  // something that was said long ago arrives once more
    double cut_short = 0.0;
};

// Clients at s1 or s2, servers at s2 or s3, so that flows cross one or both of the narrow
// links between; access links of different latencies and rates.
Scenario parking_lot() {
    TopologyBuilder builder;
    for (const std::string name : {"s1", "s2", "s3"}) {
        Bridge bridge;
        bridge.name = bridge.label = name;
        builder.add(bridge);
    }
    const auto connect = [&builder](const std::string& a, const std::string& b, Duration latency,
                                    Bandwidth bandwidth) {
        LinkProperties properties;
        properties.latency = latency;
        properties.bandwidth = bandwidth;
        builder.add_link(a, b, properties);
        builder.add_link(b, a, properties);
    };
    for (std::uint32_t i = 0; i < kPairs; ++i) {
        for (const std::string group : {"client", "server"}) {
            Host host;
            host.name = group + "[" + std::to_string(i) + "]";
            host.group = group;
            host.replica = i;
            host.replicated = true;
            builder.add(host);
            const std::string near =
                group == "client" ? (i % 3 == 0 ? "s2" : "s1") : (i % 4 == 1 ? "s2" : "s3");
            connect(host.name, near, std::chrono::milliseconds{1 + i},
                    i % 5 == 0 ? 4_Mbps : 100_Mbps);
        }
    }
    connect("s1", "s2", 10ms, 60_Mbps);
    connect("s2", "s3", 5ms, 50_Mbps);
    Scenario scenario;
    scenario.topology = std::move(builder).build().value();
    scenario.applications.resize(scenario.topology.hosts().size());
    return scenario;
}

struct SimulatedFlow {
    FlowKey key;
    std::shared_ptr<FlowCounters> counters = std::make_shared<FlowCounters>();
    bool sends = false;
    Bandwidth share = 4_Mbps;
};

class World {
  public:
    World(Network network, std::uint64_t seed) : network_{network}, random_{seed} {
        for (std::size_t i = 0; i < kMachines; ++i) nodes_.push_back(std::make_unique<Node>());
        for (std::uint32_t i = 0; i < kPairs; ++i) {
            const std::string index = "[" + std::to_string(i) + "]";
            SimulatedFlow flow;
            flow.key = {*scenario_.topology.find_host("client" + index),
                        *scenario_.topology.find_host("server" + index)};
            nodes_[i % kMachines]->flows.push_back(flow);
        }
        for (std::size_t i = 0; i < kMachines; ++i) open(i);
    }

    void run(Duration time) {
        for (const Instant end = now_ + time; now_ < end;) {
            now_ += 10ms;
            deliver();
            for (std::size_t i = 0; i < kMachines; ++i) tick(i);
        }
    }

    // Some flow begins or ends to send.
    void change() {
        Node& node = *nodes_[random_() % kMachines];
        if (!node.machine) return;
        SimulatedFlow& flow = node.flows[random_() % node.flows.size()];
        if (flow.sends) {
            stop(flow);
        } else {
            start(node, flow);
        }
    }

    void start_all() {
        for (const auto& node : nodes_) {
            for (SimulatedFlow& flow : node->flows) start(*node, flow);
        }
    }

    // The machine is gone without a word.
    void lose(std::size_t i) {
        nodes_[i]->machine.reset();
        for (SimulatedFlow& flow : nodes_[i]->flows) stop(flow);
    }

    // It is back, as a new incarnation that knows nothing, with new counters.
    void restart(std::size_t i) {
        lose(i);
        for (SimulatedFlow& flow : nodes_[i]->flows) {
            flow.counters = std::make_shared<FlowCounters>();
        }
        open(i);
    }

    // What is wrong; empty when nothing is.
    std::string objection() const {
        std::optional<SharesDigest> first;
        for (const auto& node : nodes_) {
            // Who has no active flow has nothing to solve for.
            if (!node->machine || node->machine->sharer().idle()) continue;
            const auto digest = node->machine->sharer().shares_digest();
            if (!digest) return "a solution is due";
            if (first && *digest != *first) return "two machines do not agree";
            first = digest;
        }
        Problem problem;
        for (const LinkState& link : base_->links()) {
            problem.capacities.push_back(
                static_cast<double>(link.properties.bandwidth.bits_per_second()));
        }
        std::map<FlowKey, Bandwidth> shares;
        for (const auto& node : nodes_) {
            for (const SimulatedFlow& flow : node->flows) {
                if (flow.sends) shares.insert_or_assign(flow.key, flow.share);
            }
        }
        for (const auto& [flow, share] : shares) {
            const Path path = folder_.fold(*base_, flow.source, flow.destination).value();
            problem.flows.push_back({path.links, flow_weight(path.rtt), kUnlimitedRate});
        }
        const std::vector<double> rates = textbook_rates(problem);
        std::size_t i = 0;
        for (const auto& [flow, share] : shares) {
            const double rate = rates[i++];
            const auto ours = static_cast<double>(share.bits_per_second());
            if (std::abs(ours - rate) <= 1.0 + 1e-9 * rate) continue;
            return "a flow has " + std::to_string(ours) + " and should have " +
                   std::to_string(rate);
        }
        return {};
    }

    std::uint64_t updates() const {
        std::uint64_t sum = 0;
        for (const auto& node : nodes_) sum += node->machine->said().updates;
        return sum;
    }

    std::uint64_t bad() const {
        std::uint64_t sum = 0;
        for (const auto& node : nodes_) sum += node->machine->bad();
        return sum;
    }

    Instant now() const { return now_; }

    // By machine: whom it has lost, and when.
    std::vector<std::map<std::string, Instant>> lost{kMachines};
    std::set<std::size_t> cut_off;  // machines that hear nobody, and nobody hears
    std::uint64_t messages_lost = 0;
    std::uint64_t repeated = 0;
    Instant last_share_change;

  private:
    struct Node {
        std::vector<SimulatedFlow> flows;
        std::unique_ptr<SharingMachine> machine;
        std::uint64_t incarnation = 0;
    };

    struct Delivery {
        Instant at;
        std::uint64_t number;
        std::function<void()> action;

        bool operator<(const Delivery& other) const {
            return std::tie(other.at, other.number) < std::tie(at, number);
        }
    };

    struct Message {
        std::size_t from;
        std::string bytes;
    };

    static std::string name(std::size_t i) { return "m" + std::to_string(i); }

    void start(Node& node, SimulatedFlow& flow) {
        if (!node.machine) return;
        flow.sends = true;
        flow.counters->packets += 1;
        flow.counters->last_arrival_ns = now_.time_since_epoch().count();
        node.machine->sharer().flow_started({flow.key, now_, flow.counters}, now_);
    }

    static void stop(SimulatedFlow& flow) {
        flow.sends = false;
        flow.counters->waiting_since_ns = 0;
        flow.counters->queued_bytes = 0;
    }

    void open(std::size_t i) {
        SharingMachine::Outputs outputs;
        outputs.say = [this, i](const std::string& bytes) {
            said_.push_back({i, bytes});
            for (std::size_t to = 0; to < kMachines; ++to) {
                if (to != i) send(i, to, bytes, &SharingMachine::hear);
            }
        };
        outputs.ask = [this, i](const std::string& publisher) {
            const auto from = static_cast<std::size_t>(publisher.back() - '0');
            carry(i, from, [this, i, from] {
                if (!nodes_[from]->machine) return;
                send(from, i, nodes_[from]->machine->whole_state(), &SharingMachine::hear_whole);
            });
        };
        outputs.share = [this, i](FlowKey key, Bandwidth share) {
            for (SimulatedFlow& flow : nodes_[i]->flows) {
                if (flow.key == key) flow.share = share;
            }
            last_share_change = now_;
        };
        outputs.lost = [this, i](const std::string& publisher) { lost[i][publisher] = now_; };
        nodes_[i]->machine =
            std::make_unique<SharingMachine>(name(i), folder_, base_, now_ + i * 250ms,
                                             std::move(outputs), ++nodes_[i]->incarnation);
    }

    void tick(std::size_t i) {
        Node& node = *nodes_[i];
        if (!node.machine) return;
        for (SimulatedFlow& flow : node.flows) {
            if (!flow.sends) continue;
            FlowCounters& of = *flow.counters;
            of.last_arrival_ns = now_.time_since_epoch().count();
            if (of.waiting_since_ns == 0) of.waiting_since_ns = of.last_arrival_ns.load();
            of.queued_bytes = 100'000;
            of.bytes += static_cast<std::uint64_t>((flow.share * 10ms).bytes());
            of.packets += 10;
        }
        node.machine->tick(now_);
        CHECK(node.machine->refused() == 0);
    }

    bool happens(double probability) {
        return std::uniform_real_distribution<double>{0.0, 1.0}(random_) < probability;
    }

    using Hear = void (SharingMachine::*)(const std::string&, const std::string&, Instant);

    void send(std::size_t from, std::size_t to, std::string bytes, Hear hear) {
        if (happens(network_.cut_short)) bytes.resize(random_() % bytes.size());
        carry(from, to, [this, from, to, bytes, hear] {
            if (nodes_[to]->machine) ((*nodes_[to]->machine).*hear)(name(from), bytes, now_);
        });
        if (!happens(network_.repeated)) return;
        const Message& old = said_[random_() % said_.size()];
        if (old.from == to) return;
        ++repeated;
        carry(old.from, to, [this, to, text = old.bytes, from = name(old.from)] {
            if (nodes_[to]->machine) nodes_[to]->machine->hear(from, text, now_);
        });
    }

    void carry(std::size_t from, std::size_t to, const std::function<void()>& action) {
        if (cut_off.contains(from) || cut_off.contains(to)) return;
        if (happens(network_.loss)) {
            ++messages_lost;
            return;
        }
        const int copies = happens(network_.doubled) ? 2 : 1;
        for (int copy = 0; copy < copies; ++copy) {
            const auto span = static_cast<std::uint64_t>((network_.most - network_.least).count());
            const Duration delay =
                network_.least + Duration{static_cast<std::int64_t>(random_() % (span + 1))};
            deliveries_.push({now_ + delay, ++number_, action});
        }
    }

    void deliver() {
        while (!deliveries_.empty() && deliveries_.top().at <= now_) {
            const Delivery next = deliveries_.top();
            deliveries_.pop();
            next.action();
        }
    }

    Network network_;
    std::mt19937_64 random_;
    Scenario scenario_ = parking_lot();
    PathFolder folder_{scenario_};
    std::shared_ptr<const PathTable> base_ =
        std::make_shared<const PathTable>(compute_epochs(scenario_).base);
    std::vector<std::unique_ptr<Node>> nodes_;
    std::priority_queue<Delivery> deliveries_;
    std::vector<Message> said_;
    std::uint64_t number_ = 0;
    Instant now_{1000s};
};

}  // namespace

TEST_CASE("shares converge over a network that delays, loses, doubles and reorders") {
    std::uint64_t lost = 0;
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        World w{Network{}, seed};
        for (int i = 0; i < 60; ++i) {
            w.change();
            w.run(50ms);
        }
        w.run(6s);
        INFO("seed " << seed);
        CHECK_THAT(w.objection(), Catch::Matchers::Equals(""));
        lost += w.messages_lost;
    }
    CHECK(lost > 100);
}

TEST_CASE("old messages that come again, and messages that are cut short, change nothing") {
    std::uint64_t repeated = 0;
    std::uint64_t bad = 0;
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        World w{Network{.repeated = 0.2, .cut_short = 0.02}, seed};
        for (int i = 0; i < 60; ++i) {
            w.change();
            w.run(50ms);
            // Then what comes again is of an incarnation that is no more, too.
            if (i == 30) w.restart(seed % kMachines);
        }
        w.run(6s);
        INFO("seed " << seed);
        CHECK_THAT(w.objection(), Catch::Matchers::Equals(""));
        repeated += w.repeated;
        bad += w.bad();
    }
    CHECK(repeated > 1000);
    CHECK(bad > 100);
}

TEST_CASE("after the last change nobody says anything new, and no share moves") {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        World w{Network{.repeated = 0.1}, seed};
        for (int i = 0; i < 30; ++i) {
            w.change();
            w.run(50ms);
        }
        w.run(6s);
        const std::uint64_t before = w.updates();
        const Instant since = w.now();
        w.run(10s);
        CHECK(w.updates() == before);
        CHECK(w.last_share_change <= since);
    }
}

TEST_CASE("a partition between nodes heals by itself") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        World w{Network{}, seed};
        for (int i = 0; i < 20; ++i) w.change();
        w.run(3s);
        w.cut_off = {seed % kMachines};
        for (int i = 0; i < 20; ++i) {
            w.change();
            w.run(500ms);  // 10 s in all: leases end
        }
        INFO("seed " << seed);
        CHECK(w.lost[seed % kMachines].size() == kMachines - 1);
        w.cut_off.clear();
        w.run(8s);
        CHECK_THAT(w.objection(), Catch::Matchers::Equals(""));
    }
}

TEST_CASE("nobody counts as lost because of loss, delay and duplicates") {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        World w{Network{}, seed};
        w.start_all();
        w.run(300s);
        INFO("seed " << seed);
        for (const auto& whom : w.lost) CHECK(whom.empty());
        CHECK(w.messages_lost > 300);
    }
}

TEST_CASE("a partition that is shorter than the lease loses nobody") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        World w{Network{.loss = 0.0}, seed};
        w.start_all();
        w.run(3s);
        w.cut_off = {1};
        for (int i = 0; i < 4; ++i) {
            w.change();
            w.run(500ms);
        }
        w.cut_off.clear();
        w.run(6s);
        INFO("seed " << seed);
        for (const auto& whom : w.lost) CHECK(whom.empty());
        CHECK_THAT(w.objection(), Catch::Matchers::Equals(""));
    }
}

TEST_CASE("a machine that is lost leaves everybody's shares within three heartbeats") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        World w{Network{.loss = 0.0}, seed};
        w.start_all();
        w.run(2s + std::chrono::milliseconds{seed * 50});
        const Instant gone_at = w.now();
        w.lose(2);
        w.run(6s);
        INFO("seed " << seed);
        CHECK_THAT(w.objection(), Catch::Matchers::Equals(""));
        for (std::size_t i = 0; i < kMachines; ++i) {
            if (i == 2) continue;
            REQUIRE(w.lost[i].size() == 1);
            // Its last word was up to half a second before, and 20 to 60 ms under way.
            const Duration noticed = w.lost[i].at("m2") - gone_at;
            CHECK(noticed >= 2400ms);
            CHECK(noticed <= 3s + 60ms);
            CHECK(w.last_share_change <= gone_at + 3s + 60ms);
        }
        // And it is in them again when it is back.
        w.restart(2);
        w.start_all();
        w.run(3s);
        CHECK_THAT(w.objection(), Catch::Matchers::Equals(""));
    }
}
