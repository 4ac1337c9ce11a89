// Sharers of four machines over a network that delays, loses, doubles and reorders. Time is
// simulated. Whatever happened, a while after the last change all hold the same states and
// have computed the same shares, to the last bit.
#include <functional>
#include <map>
#include <queue>
#include <random>

#include <catch2/catch.hpp>

#include "model/epochs.hh"
#include "node/sharing/sharer.hh"
#include "node/sharing/state_replica.hh"
#include "tests/sharing/dumbbell.hh"

using namespace pleat;
using namespace pleat::literals;
using namespace pleat::testing;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kMachines = 4;
constexpr std::uint32_t kPairs = 12;  // client[i] is on machine i % kMachines

struct Network {
    Duration least = 20ms;
    Duration most = 60ms;
    double loss = 0.05;
    double doubled = 0.05;
};

struct SimulatedFlow {
    FlowKey key;
    std::shared_ptr<FlowCounters> counters = std::make_shared<FlowCounters>();
    bool sends = false;
    Bandwidth share = 60_Mbps;
};

class World {
  public:
    World(Network network, std::uint64_t seed)
        : network_{network},
          random_{seed},
          folder_{scenario_},
          base_{std::make_shared<const PathTable>(compute_epochs(scenario_).base)} {
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
        auto& flows = nodes_[random_() % kMachines]->flows;
        SimulatedFlow& flow = flows[random_() % flows.size()];
        flow.sends = !flow.sends;
        if (!flow.sends) {
            flow.counters->waiting_since_ns = 0;
            flow.counters->queued_bytes = 0;
            return;
        }
        for (const auto& node : nodes_) {
            if (&node->flows != &flows) continue;
            flow.counters->packets += 1;
            flow.counters->last_arrival_ns = now_.time_since_epoch().count();
            node->sharer->flow_started({flow.key, now_, flow.counters}, now_);
        }
    }

    bool agree() const {
        std::optional<SharesDigest> first;
        for (const auto& node : nodes_) {
            // Who has no active flow has nothing to solve for.
            if (node->sharer->idle()) continue;
            const auto digest = node->sharer->shares_digest();
            if (!digest || (first && *digest != *first)) return false;
            first = digest;
        }
        return first.has_value();
    }

    std::uint64_t updates() const {
        std::uint64_t sum = 0;
        for (const auto& node : nodes_) sum += node->sequence;
        return sum;
    }

    bool partition = false;  // machine 0 is cut off
    std::uint64_t lost = 0;

  private:
    struct Node {
        std::vector<SimulatedFlow> flows;
        std::unique_ptr<Sharer> sharer;
        StateReplica replica;
        std::uint64_t sequence = 0;
        Instant next_heartbeat;
    };

    struct Delivery {
        Instant at;
        std::uint64_t number;
        std::function<void()> action;

        bool operator<(const Delivery& other) const {
            return std::tie(other.at, other.number) < std::tie(at, number);
        }
    };

    static std::string name(std::size_t i) { return "m" + std::to_string(i); }

    void open(std::size_t i) {
        SharerOutputs outputs;
        outputs.publish = [this, i](std::vector<FlowState> flows) {
            StateUpdate update{.publisher = name(i),
                               .incarnation = 1,
                               .sequence = ++nodes_[i]->sequence,
                               .epoch = {},
                               .flows = std::move(flows),
                               .hosts = {}};
            to_others(i, [this, update](std::size_t to) {
                act(to, nodes_[to]->replica.receive(update, now_));
            });
        };
        outputs.share = [this, i](FlowKey key, Bandwidth share, Instant) {
            for (SimulatedFlow& flow : nodes_[i]->flows) {
                if (flow.key == key) flow.share = share;
            }
        };
        nodes_[i]->sharer = std::make_unique<Sharer>(folder_, base_, outputs);
        nodes_[i]->next_heartbeat = now_ + i * 250ms;
    }

    void tick(std::size_t i) {
        Node& node = *nodes_[i];
        for (SimulatedFlow& flow : node.flows) {
            if (!flow.sends) continue;
            FlowCounters& of = *flow.counters;
            of.last_arrival_ns = now_.time_since_epoch().count();
            if (of.waiting_since_ns == 0) of.waiting_since_ns = of.last_arrival_ns.load();
            of.queued_bytes = 100'000;
            of.bytes += static_cast<std::uint64_t>((flow.share * 10ms).bytes());
            of.packets += 10;
        }
        if (!node.sharer->idle()) node.sharer->tick(now_);
        act(i, node.replica.tick(now_));
        if (now_ < node.next_heartbeat) return;
        node.next_heartbeat += 1s;
        const Heartbeat heartbeat{name(i), 1, node.sequence, node.sharer->digest(), {}};
        to_others(i, [this, heartbeat](std::size_t to) {
            act(to, nodes_[to]->replica.receive(heartbeat, now_));
        });
    }

    void act(std::size_t i, const StateReplica::Actions& actions) {
        for (const ReplicaAction& action : actions) {
            if (const auto* apply = std::get_if<ApplyStates>(&action)) {
                CHECK(nodes_[i]->sharer->apply_remote(apply->publisher, apply->flows, now_) == 0);
            } else if (const auto* drop = std::get_if<DropStates>(&action)) {
                nodes_[i]->sharer->drop_publisher(drop->publisher, now_);
            } else {
                const auto from =
                    static_cast<std::size_t>(std::get<AskSnapshot>(action).publisher.back() - '0');
                send(i, from, [this, i, from] {
                    const StateUpdate full{.publisher = name(from),
                                           .incarnation = 1,
                                           .sequence = nodes_[from]->sequence,
                                           .epoch = {},
                                           .flows = nodes_[from]->sharer->published(),
                                           .hosts = {}};
                    send(from, i, [this, i, full] {
                        act(i, nodes_[i]->replica.receive_snapshot(full, now_));
                    });
                });
            }
        }
    }

    void to_others(std::size_t from, const std::function<void(std::size_t)>& deliver) {
        for (std::size_t to = 0; to < kMachines; ++to) {
            if (to != from) send(from, to, [deliver, to] { deliver(to); });
        }
    }

    void send(std::size_t from, std::size_t to, const std::function<void()>& action) {
        if (partition && (from == 0 || to == 0)) return;
        std::uniform_real_distribution<double> chance{0.0, 1.0};
        if (chance(random_) < network_.loss) {
            ++lost;
            return;
        }
        const int copies = chance(random_) < network_.doubled ? 2 : 1;
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
    Scenario scenario_ = dumbbell(kPairs, 60_Mbps);
    PathFolder folder_;
    std::shared_ptr<const PathTable> base_;
    std::vector<std::unique_ptr<Node>> nodes_;
    std::priority_queue<Delivery> deliveries_;
    std::uint64_t number_ = 0;
    Instant now_{1000s};
};

}  // namespace

TEST_CASE("shares converge over a network that delays, loses, doubles and reorders") {
    std::uint64_t lost = 0;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        World w{Network{}, seed};
        for (int i = 0; i < 60; ++i) {
            w.change();
            w.run(50ms);
        }
        w.run(6s);
        INFO("seed " << seed);
        CHECK(w.agree());
        lost += w.lost;
    }
    CHECK(lost > 100);
}

TEST_CASE("after the last change nobody says anything new") {
    World w{Network{.loss = 0.0}, 1};
    for (int i = 0; i < 30; ++i) {
        w.change();
        w.run(50ms);
    }
    w.run(6s);
    const std::uint64_t before = w.updates();
    w.run(10s);
    CHECK(w.updates() == before);
}

TEST_CASE("a partition between nodes heals by itself") {
    World w{Network{}, 7};
    for (int i = 0; i < 20; ++i) w.change();
    w.run(3s);
    w.partition = true;
    for (int i = 0; i < 20; ++i) {
        w.change();
        w.run(500ms);  // 10 s in all: leases end
    }
    w.partition = false;
    w.run(8s);
    CHECK(w.agree());
}
