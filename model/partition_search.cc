#include "model/partition_search.hh"

#include <algorithm>
#include <numeric>
#include <queue>
#include <random>
#include <utility>

namespace pleat {

namespace {

constexpr MachineId kNowhere{0xffffffff};
constexpr int kMostPasses = 20;
// Looking for the best swap costs the square of the hosts, a sequence of swaps the cube: up to
// so many hosts that is done, and from several starts.
constexpr std::size_t kMostForThorough = 64;
constexpr int kShuffledStarts = 8;
// And up to so many bridges follow each swap that is looked at, not only those that are made.
constexpr std::size_t kMostForExact = 12;
constexpr double kNothing = 1e-3;  // bits per second: what differs by less is equal

using Machines = std::vector<MachineId>;

// To each machine, the bandwidth between it and the vertex.
class Joined {
  public:
    Joined(const TrafficGraph& graph, std::size_t machines) : graph_{graph}, to_(machines) {}

    std::span<const double> of(VertexId vertex, const Machines& machine_of) {
        std::ranges::fill(to_, 0.0);
        for (const auto& [other, weight] : graph_.neighbours(vertex)) {
            const MachineId machine = machine_of[other.value];
            if (machine != kNowhere) to_[machine.value] += weight;
        }
        return to_;
    }

  private:
    const TrafficGraph& graph_;
    std::vector<double> to_;
};

// Each bridge where most of its bandwidth is, until none moves.
void settle_bridges(const TrafficGraph& graph, std::size_t hosts, std::size_t machines,
                    Machines& machine_of) {
    Joined joined{graph, machines};
    bool again = true;
    while (again) {
        again = false;
        for (auto v = static_cast<std::uint32_t>(hosts); v < graph.vertices(); ++v) {
            const std::span<const double> to = joined.of(VertexId{v}, machine_of);
            MachineId& here = machine_of[v];
            // Only what is strictly better moves, so that this ends.
            double most = here == kNowhere ? -1.0 : to[here.value] + kNothing;
            for (std::uint32_t m = 0; m < machines; ++m) {
                if (to[m] <= most) continue;
                most = to[m] + kNothing;
                here = MachineId{m};
                again = true;
            }
        }
    }
}

// Each bridge where the heaviest links lead: an edge joins its ends, the heaviest first, unless
// that would join two machines. (A heaviest spanning forest, one tree a machine.)
Machines forest(const TrafficGraph& graph, std::size_t hosts, const Machines& machine_of) {
    Machines of_root = machine_of;
    std::fill(of_root.begin() + static_cast<std::ptrdiff_t>(hosts), of_root.end(), kNowhere);
    std::vector<std::uint32_t> parent(graph.vertices());
    std::iota(parent.begin(), parent.end(), 0);
    const auto root = [&parent](std::uint32_t v) {
        while (parent[v] != v) v = parent[v] = parent[parent[v]];
        return v;
    };
    for (const TrafficGraph::Edge& edge : graph.heaviest_first()) {
        const std::uint32_t a = root(edge.a.value);
        const std::uint32_t b = root(edge.b.value);
        if (a == b) continue;
        const MachineId one = of_root[a];
        const MachineId other = of_root[b];
        if (one != kNowhere && other != kNowhere && one != other) continue;
        parent[b] = a;
        if (one == kNowhere) of_root[a] = other;
    }
    Machines placed = machine_of;
    for (auto v = static_cast<std::uint32_t>(hosts); v < graph.vertices(); ++v) {
        placed[v] = of_root[root(v)];
    }
    return placed;
}

// The tree of clusters: leaves are vertices, each other node joins two.
class ClusterTree {
  public:
    explicit ClusterTree(const PartitionProblem& problem) {
        const std::size_t vertices = problem.graph.vertices();
        for (std::uint32_t v = 0; v < vertices; ++v) {
            const bool counts = v < problem.hosts && !problem.fixed[v];
            nodes_.push_back({.least = v, .hosts = counts ? 1U : 0U});
        }
        std::vector<std::uint32_t> top(vertices);
        std::iota(top.begin(), top.end(), 0);
        std::vector<std::uint32_t> parent(vertices);
        std::iota(parent.begin(), parent.end(), 0);
        const auto root = [&parent](std::uint32_t v) {
            while (parent[v] != v) v = parent[v] = parent[parent[v]];
            return v;
        };
        for (const TrafficGraph::Edge& edge : problem.graph.heaviest_first()) {
            const std::uint32_t a = root(edge.a.value);
            const std::uint32_t b = root(edge.b.value);
            if (a == b) continue;
            const Node& one = nodes_[top[a]];
            const Node& other = nodes_[top[b]];
            const Node both{.least = std::min(one.least, other.least),
                            .hosts = one.hosts + other.hosts,
                            .children = std::pair{top[a], top[b]}};
            parent[b] = a;
            top[a] = static_cast<std::uint32_t>(nodes_.size());
            nodes_.push_back(both);
        }
        for (std::uint32_t v = 0; v < vertices; ++v) {
            if (root(v) == v) roots_.push_back(top[v]);
        }
    }

    struct Node {
        std::uint32_t least = 0;  // the lowest vertex in it
        std::uint32_t hosts = 0;  // that are to be placed
        std::optional<std::pair<std::uint32_t, std::uint32_t>> children{};
    };

    const Node& operator[](std::uint32_t node) const { return nodes_[node]; }

    std::span<const std::uint32_t> roots() const { return roots_; }

    std::vector<VertexId> vertices(std::uint32_t node) const {
        std::vector<VertexId> found;
        std::vector<std::uint32_t> left{node};
        while (!left.empty()) {
            const std::uint32_t one = left.back();
            left.pop_back();
            if (const auto& children = nodes_[one].children) {
                left.push_back(children->second);
                left.push_back(children->first);
            } else {
                found.push_back(VertexId{one});  // leaves are the first nodes
            }
        }
        return found;
    }

  private:
    std::vector<Node> nodes_;
    std::vector<std::uint32_t> roots_;
};

Machines fixed_machines(const PartitionProblem& problem) {
    Machines machine_of(problem.graph.vertices(), kNowhere);
    for (std::size_t h = 0; h < problem.hosts; ++h) {
        if (problem.fixed[h]) machine_of[h] = *problem.fixed[h];
    }
    return machine_of;
}

// (1)
Machines best_fit(const PartitionProblem& problem, const ClusterTree& tree) {
    Machines machine_of = fixed_machines(problem);
    std::vector<std::uint32_t> room = problem.quota;
    const auto smaller = [&tree](std::uint32_t a, std::uint32_t b) {
        return std::pair{tree[a].hosts, tree[b].least} < std::pair{tree[b].hosts, tree[a].least};
    };
    std::priority_queue<std::uint32_t, std::vector<std::uint32_t>, decltype(smaller)> left{smaller};
    for (const std::uint32_t root : tree.roots()) left.push(root);
    Joined joined{problem.graph, problem.machines};
    while (!left.empty()) {
        const std::uint32_t node = left.top();
        left.pop();
        const std::uint32_t hosts = tree[node].hosts;
        if (hosts == 0) continue;  // bridges settle later
        if (std::ranges::max(room) < hosts) {
            left.push(tree[node].children->first);
            left.push(tree[node].children->second);
            continue;
        }
        const std::vector<VertexId> vertices = tree.vertices(node);
        std::vector<double> to(problem.machines);
        for (const VertexId v : vertices) {
            const std::span<const double> of = joined.of(v, machine_of);
            for (std::size_t m = 0; m < to.size(); ++m) to[m] += of[m];
        }
        std::optional<std::size_t> best;
        for (std::size_t m = 0; m < to.size(); ++m) {
            if (room[m] < hosts) continue;
            const auto better = [&](std::size_t than) {
                if (to[m] != to[than]) return to[m] > to[than];
                return room[m] < room[than];
            };
            if (!best || better(*best)) best = m;
        }
        room[*best] -= hosts;
        for (const VertexId v : vertices) {
            MachineId& machine = machine_of[v.value];
            if (machine == kNowhere) machine = MachineId{static_cast<std::uint32_t>(*best)};
        }
    }
    return machine_of;
}

// The leaves of the tree in their order, cut where a machine is full.
Machines cut_in_order(const PartitionProblem& problem, const ClusterTree& tree) {
    Machines machine_of = fixed_machines(problem);
    std::vector<std::uint32_t> room = problem.quota;
    std::vector<std::uint32_t> roots{tree.roots().begin(), tree.roots().end()};
    std::ranges::sort(roots, [&tree](std::uint32_t a, std::uint32_t b) {
        return std::pair{tree[b].hosts, tree[a].least} < std::pair{tree[a].hosts, tree[b].least};
    });
    std::uint32_t machine = 0;
    for (const std::uint32_t root : roots) {
        for (const VertexId v : tree.vertices(root)) {
            if (v.value >= problem.hosts || problem.fixed[v.value]) continue;
            while (room[machine] == 0) ++machine;
            --room[machine];
            machine_of[v.value] = MachineId{machine};
        }
    }
    return machine_of;
}

// Any placement that keeps to the quotas.
Machines shuffled(const PartitionProblem& problem, std::mt19937_64& random) {
    std::vector<std::uint32_t> hosts;
    for (std::uint32_t host = 0; host < problem.hosts; ++host) {
        if (!problem.fixed[host]) hosts.push_back(host);
    }
    for (std::size_t i = hosts.size(); i > 1; --i) std::swap(hosts[i - 1], hosts[random() % i]);
    Machines machine_of = fixed_machines(problem);
    auto next = hosts.begin();
    for (std::uint32_t machine = 0; machine < problem.machines; ++machine) {
        for (std::uint32_t i = 0; i < problem.quota[machine]; ++i) {
            machine_of[*next++] = MachineId{machine};
        }
    }
    return machine_of;
}

// (2)
class Swaps {
  public:
    Swaps(const PartitionProblem& problem, Machines machine_of)
        : problem_{problem},
          joined_{problem.graph, problem.machines},
          machine_of_{std::move(machine_of)} {}

    Machines improved() {
        settle_bridges_anew(problem_.graph, problem_.hosts, problem_.machines, machine_of_);
        for (int pass = 0; pass < kMostPasses; ++pass) {
            const double before = parted(problem_.graph, machine_of_);
            single_swaps();
            if (problem_.hosts <= kMostForThorough) sequence_of_swaps();
            settle_bridges_anew(problem_.graph, problem_.hosts, problem_.machines, machine_of_);
            if (parted(problem_.graph, machine_of_) > before - kNothing) break;
        }
        return std::move(machine_of_);
    }

  private:
    bool movable(std::uint32_t host) const { return !problem_.fixed[host]; }

    double weight_between(VertexId a, VertexId b) const {
        const auto neighbours = problem_.graph.neighbours(a);
        const auto found =
            std::ranges::lower_bound(neighbours, b, {}, &TrafficGraph::Neighbour::vertex);
        return found != neighbours.end() && found->vertex == b ? found->weight : 0.0;
    }

    void exchange(std::uint32_t a, std::uint32_t b) { std::swap(machine_of_[a], machine_of_[b]); }

    // By how much less is parted when the two change places.
    double gain_of(std::uint32_t a, std::uint32_t b) {
        if (problem_.hosts <= kMostForExact) {
            const double before = parted(problem_.graph, machine_of_);
            Machines kept = machine_of_;
            exchange(a, b);
            settle_bridges_anew(problem_.graph, problem_.hosts, problem_.machines, machine_of_);
            const double after = parted(problem_.graph, machine_of_);
            machine_of_ = std::move(kept);
            return before - after;
        }
        const MachineId home = machine_of_[a];
        const MachineId there = machine_of_[b];
        const std::span<const double> one = joined_.of(VertexId{a}, machine_of_);
        const double mine = one[there.value] - one[home.value];
        const std::span<const double> other = joined_.of(VertexId{b}, machine_of_);
        return mine + other[home.value] - other[there.value] -
               2 * weight_between(VertexId{a}, VertexId{b});
    }

    // For each host that would gain by moving, the best partner there.
    void single_swaps() {
        for (std::uint32_t host = 0; host < problem_.hosts; ++host) {
            if (!movable(host)) continue;
            const std::span<const double> span = joined_.of(VertexId{host}, machine_of_);
            const std::vector<double> to{span.begin(), span.end()};
            const MachineId home = machine_of_[host];
            double best_gain = kNothing;
            std::optional<std::uint32_t> best;
            for (std::uint32_t other = 0; other < problem_.hosts; ++other) {
                const MachineId there = machine_of_[other];
                if (there == home || !movable(other)) continue;
                const double mine = to[there.value] - to[home.value];
                if (mine <= kNothing) continue;
                const std::span<const double> his = joined_.of(VertexId{other}, machine_of_);
                const double gain = mine + his[home.value] - his[there.value] -
                                    2 * weight_between(VertexId{host}, VertexId{other});
                if (gain > best_gain) {
                    best_gain = gain;
                    best = other;
                }
            }
            if (best) exchange(host, *best);
        }
        settle_bridges(problem_.graph, problem_.hosts, problem_.machines, machine_of_);
    }

    // The best swap of hosts that have not moved yet, again and again, good or bad, bridges
    // following; what parted least on the way is kept.
    void sequence_of_swaps() {
        Machines best = machine_of_;
        double least = parted(problem_.graph, machine_of_);
        std::vector<bool> moved(problem_.hosts, false);
        for (std::size_t step = 0; step < problem_.hosts / 2; ++step) {
            std::optional<std::pair<std::uint32_t, std::uint32_t>> chosen;
            double chosen_gain = 0;
            for (std::uint32_t a = 0; a < problem_.hosts; ++a) {
                if (moved[a] || !movable(a)) continue;
                for (std::uint32_t b = a + 1; b < problem_.hosts; ++b) {
                    if (moved[b] || !movable(b) || machine_of_[a] == machine_of_[b]) continue;
                    const double gain = gain_of(a, b);
                    if (chosen && gain <= chosen_gain + kNothing) continue;
                    chosen = {a, b};
                    chosen_gain = gain;
                }
            }
            if (!chosen) break;
            exchange(chosen->first, chosen->second);
            moved[chosen->first] = moved[chosen->second] = true;
            settle_bridges_anew(problem_.graph, problem_.hosts, problem_.machines, machine_of_);
            const double now = parted(problem_.graph, machine_of_);
            if (now < least - kNothing) {
                least = now;
                best = machine_of_;
            }
        }
        machine_of_ = std::move(best);
    }

    const PartitionProblem& problem_;
    Joined joined_;
    Machines machine_of_;
};

}  // namespace

std::vector<MachineId> search_partition(const PartitionProblem& problem) {
    const ClusterTree tree{problem};
    std::vector<Machines> starts{best_fit(problem, tree), cut_in_order(problem, tree)};
    if (problem.hosts <= kMostForThorough) {
        std::mt19937_64 random{1};  // its sequence is fixed by the standard
        for (int i = 0; i < kShuffledStarts; ++i) starts.push_back(shuffled(problem, random));
    }
    std::optional<Machines> best;
    double least = 0;
    for (Machines& start : starts) {
        Machines one = Swaps{problem, std::move(start)}.improved();
        const double now = parted(problem.graph, one);
        if (best && now > least - kNothing) continue;
        least = now;
        best = std::move(one);
    }
    return *best;
}

double parted(const TrafficGraph& graph, const std::vector<MachineId>& machine_of) {
    double sum = 0;
    for (const TrafficGraph::Edge& edge : graph.edges()) {
        if (machine_of[edge.a.value] != machine_of[edge.b.value]) sum += edge.weight;
    }
    return sum;
}

void settle_bridges_anew(const TrafficGraph& graph, std::size_t hosts, std::size_t machines,
                         std::vector<MachineId>& machine_of) {
    settle_bridges(graph, hosts, machines, machine_of);
    double least = parted(graph, machine_of);
    const auto try_from = [&](Machines other) {
        settle_bridges(graph, hosts, machines, other);
        const double now = parted(graph, other);
        if (now > least - kNothing) return;
        least = now;
        machine_of = std::move(other);
    };
    try_from(forest(graph, hosts, machine_of));
    for (std::uint32_t m = 0; m < machines; ++m) {
        Machines other = machine_of;
        std::fill(other.begin() + static_cast<std::ptrdiff_t>(hosts), other.end(), MachineId{m});
        try_from(std::move(other));
    }
}

}  // namespace pleat
