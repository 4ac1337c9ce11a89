// Tree by tree, through all epochs: the distances and parents of one tree stay in the
// processor's nearest cache, and only one tree's distances are ever held.
#include "model/epochs.hh"

#include <algorithm>
#include <iterator>
#include <ranges>
#include <set>

#include "model/shortest_paths.hh"
#include "model/table_hash.hh"

namespace pleat {

namespace {

// The events of one instant, of those that change the topology.
struct Moment {
    ExperimentTime at;
    std::vector<TimedEvent> events;
};

std::vector<Moment> moments(const std::vector<TimedEvent>& timeline) {
    std::vector<Moment> all;
    for (TimedEvent& timed : canonical(timeline)) {
        if (!changes_topology(timed.event)) continue;
        if (all.empty() || all.back().at != timed.at) all.push_back(Moment{timed.at, {}});
        all.back().events.push_back(std::move(timed));
    }
    return all;
}

// How many of them belong to epoch 0.
std::size_t of_epoch_0(const std::vector<Moment>& all) {
    return static_cast<std::size_t>(std::ranges::count_if(
        all, [](const Moment& moment) { return moment.at <= ExperimentTime{}; }));
}

// A line with a glob is several events: its text is told once. Of one that lasted for a while
// the end is told as such.
void add_texts(const std::vector<TimedEvent>& events, std::vector<std::string>& texts) {
    std::set<std::pair<bool, std::string_view>> told;
    for (const TimedEvent& timed : events) {
        const bool ends = timed.phase == Phase::end;
        if (!told.emplace(ends, timed.text).second) continue;
        texts.push_back(ends ? "undo " + timed.text : timed.text);
    }
}

// Where a path may start: which tree and which start of it a link from a host is.
struct StartPlace {
    std::uint32_t tree = 0xffffffff;
    std::uint32_t start = 0;
};

struct StartChange {
    std::uint32_t epoch;
    KeyChange change;
};

class EpochBuilder {
  public:
    explicit EpochBuilder(const Scenario& scenario)
        : topology_{scenario.topology},
          metric_{scenario.routing, topology_.bridges().size()},
          sources_{tree_sources(topology_)},
          state_{topology_},
          starts_of_trees_(sources_.size()),
          start_of_link_(topology_.links().size()) {
        for (std::uint32_t t = 0; t < sources_.size(); ++t) {
            if (!topology_.is_host(sources_[t])) continue;
            std::uint32_t start = 0;
            for (const LinkId id : topology_.out_links(sources_[t])) {
                if (topology_.is_host(topology_.link(id).to)) continue;
                start_of_link_[id.value] = StartPlace{t, start++};
            }
        }
    }

    // `beneath`: so many moments belong to the first epoch.
    Epochs build(const std::vector<Moment>& all, std::size_t beneath) {
        epochs_.emplace_back();
        auto moment = all.begin();
        for (; moment != all.begin() + static_cast<std::ptrdiff_t>(beneath); ++moment) {
            apply(*moment);
            add_texts(moment->events, epochs_.front().events);
        }
        const std::vector<LinkState> base_links(state_.links().begin(), state_.links().end());
        const std::vector<Sides> base_partitions = state_.partitions();
        BridgeGraph graph{topology_, metric_, base_links};
        links_ = base_links;

        edge_changes_.emplace_back();
        hash_steps_.push_back(0);
        for (; moment != all.end(); ++moment) open_epoch(*moment, graph);

        std::vector<PathTable::Tree> trees = follow_trees(graph, base_links);
        PathTable base{1, EpochId{0}, base_links, std::move(trees), base_partitions};
        seal(base.hash());
        return Epochs{std::move(base), std::move(epochs_)};
    }

  private:
    // Those of one line after those of another, where hands made them; all else at once. Tells
    // which links may have changed, ascending.
    std::set<LinkId> apply(const Moment& moment) {
        std::set<LinkId> changed;
        const std::span<const TimedEvent> events{moment.events};
        for (std::size_t begin = 0; begin < events.size();) {
            const TimedEvent& first = events[begin];
            std::size_t end = events.size();
            if (first.phase == Phase::by_hand) {
                end = begin;
                while (end < events.size() && events[end].overlay == first.overlay) ++end;
            }
            for (const LinkId id : state_.apply(events.subspan(begin, end - begin))) {
                changed.insert(id);
            }
            begin = end;
        }
        return changed;
    }

    void open_epoch(const Moment& moment, const BridgeGraph& graph) {
        const auto number = static_cast<std::uint32_t>(epochs_.size());
        Epoch& epoch = epochs_.emplace_back();
        epoch.start = moment.at;
        epoch.delta.epoch = EpochId{number};
        add_texts(moment.events, epoch.events);
        std::vector<KeyChange>& edges = edge_changes_.emplace_back();
        std::uint64_t& hash = hash_steps_.emplace_back(0);

        const std::vector<Sides> partitions = state_.partitions();
        for (const LinkId id : apply(moment)) {
            const LinkState& after = state_.links()[id.value];
            LinkState& before = links_[id.value];
            if (after == before) continue;
            hash += link_hash(id, after) - link_hash(id, before);
            epoch.delta.links.push_back(LinkStateChange{id, after});

            KeyChange change{0, metric_.key(before), metric_.key(after)};
            before = after;
            if (change.before == change.after) continue;
            const StartPlace place = start_of_link_[id.value];
            if (const std::uint32_t edge = graph.edge_of(id); edge != BridgeGraph::kNotAnEdge) {
                change.index = edge;
                edges.push_back(change);
            } else if (place.tree != StartPlace{}.tree) {
                change.index = place.start;
                starts_of_trees_[place.tree].push_back(StartChange{number, change});
            }
        }
        if (state_.partitions() != partitions) {
            hash += partitions_hash(state_.partitions()) - partitions_hash(partitions);
            epoch.delta.partitions = state_.partitions();
        }
    }

    // The trees of epoch 0; what becomes of them goes into the deltas.
    std::vector<PathTable::Tree> follow_trees(BridgeGraph& graph,
                                              const std::vector<LinkState>& base_links) {
        std::vector<std::uint32_t> with_edges;
        for (std::uint32_t e = 0; e < edge_changes_.size(); ++e) {
            if (!edge_changes_[e].empty()) with_edges.push_back(e);
        }
        std::vector<PathTable::Tree> trees;
        trees.reserve(sources_.size());
        ShortestPathTree tree{graph};
        for (std::uint32_t t = 0; t < sources_.size(); ++t) {
            tree.compute(tree_starts(topology_, sources_[t], metric_, base_links));
            trees.push_back(std::make_shared<const Parents>(tree.parents()));
            follow(TreeId{t}, tree, graph, with_edges);
            for (const std::uint32_t e : std::views::reverse(with_edges)) {
                for (const KeyChange& change : edge_changes_[e]) {
                    graph.set_key(change.index, change.before);
                }
            }
        }
        return trees;
    }

    // Takes one tree from epoch 0 to the last.
    void follow(TreeId id, ShortestPathTree& tree, BridgeGraph& graph,
                const std::vector<std::uint32_t>& with_edges) {
        const std::vector<StartChange>& starts = starts_of_trees_[id.value];
        auto start = starts.begin();
        auto next = with_edges.begin();
        std::vector<KeyChange> start_changes;
        while (next != with_edges.end() || start != starts.end()) {
            std::uint32_t epoch = 0xffffffff;
            if (next != with_edges.end()) epoch = *next;
            if (start != starts.end()) epoch = std::min(epoch, start->epoch);

            start_changes.clear();
            for (; start != starts.end() && start->epoch == epoch; ++start) {
                start_changes.push_back(start->change);
            }
            const std::vector<KeyChange>& edges = edge_changes_[epoch];
            for (const KeyChange& change : edges) graph.set_key(change.index, change.after);
            if (next != with_edges.end() && *next == epoch) ++next;

            std::uint64_t& hash = hash_steps_[epoch];
            std::vector<TreeChange>& parents = epochs_[epoch].delta.parents;
            for (const ParentChange& change : tree.repair(edges, start_changes)) {
                hash += parent_hash(id, change.bridge, change.after) -
                        parent_hash(id, change.bridge, change.before);
                parents.push_back(TreeChange{id, change.bridge, change.after});
            }
        }
    }

    // Gives the deltas their hashes.
    void seal(std::uint64_t hash) {
        for (std::size_t e = 0; e < epochs_.size(); ++e) {
            epochs_[e].delta.base_hash = hash;
            hash += hash_steps_[e];
            epochs_[e].delta.hash = hash;
        }
    }

    const Topology& topology_;
    RouteMetric metric_;
    std::vector<VertexId> sources_;
    NetworkState state_;
    std::vector<LinkState> links_;  // as of the epoch being opened

    std::vector<Epoch> epochs_;
    std::vector<std::uint64_t> hash_steps_;                  // by epoch: what it adds to the hash
    std::vector<std::vector<KeyChange>> edge_changes_;       // by epoch
    std::vector<std::vector<StartChange>> starts_of_trees_;  // by tree, ascending by epoch
    std::vector<StartPlace> start_of_link_;
};

}  // namespace

Epochs compute_epochs(const Scenario& scenario) {
    const std::vector<Moment> all = moments(scenario.timeline);
    return EpochBuilder{scenario}.build(all, of_epoch_0(all));
}

std::vector<PathTableDelta> compute_version(const Scenario& scenario,
                                            std::span<const HandChange> before,
                                            const HandChange& change) {
    std::vector<Moment> scheduled = moments(scenario.timeline);
    const std::size_t first = of_epoch_0(scheduled);
    PLEAT_ASSERT(change.epoch.value <= scheduled.size() - first);
    PLEAT_ASSERT(std::ranges::is_sorted(before, {}, &HandChange::epoch));
    PLEAT_ASSERT(before.empty() || before.back().epoch <= change.epoch);

    // All until the change, then the change, then what is scheduled after it.
    std::vector<Moment> all;
    const std::size_t until = first + change.epoch.value;
    auto earlier = before.begin();
    const auto add_changes_of = [&](std::size_t epoch) {
        for (; earlier != before.end() && earlier->epoch.value == epoch; ++earlier) {
            all.push_back(Moment{{}, earlier->events});
        }
    };
    for (std::size_t i = 0; i < until; ++i) {
        if (i >= first) add_changes_of(i - first);
        all.push_back(std::move(scheduled[i]));
    }
    add_changes_of(change.epoch.value);
    const std::size_t beneath = all.size();
    all.push_back(Moment{{}, change.events});
    std::ranges::move(scheduled.begin() + static_cast<std::ptrdiff_t>(until), scheduled.end(),
                      std::back_inserter(all));

    Epochs epochs = EpochBuilder{scenario}.build(all, beneath);
    std::vector<PathTableDelta> deltas;
    deltas.reserve(epochs.epochs.size() - 1);
    for (std::size_t i = 1; i < epochs.epochs.size(); ++i) {
        PathTableDelta& delta = deltas.emplace_back(std::move(epochs.epochs[i].delta));
        delta.version = change.version;
        delta.epoch = EpochId{change.epoch.value + static_cast<std::uint32_t>(i) - 1};
    }
    return deltas;
}

EpochId epoch_at(std::span<const Epoch> epochs, ExperimentTime at) {
    const auto next = std::ranges::upper_bound(epochs, at, {}, &Epoch::start);
    const auto begun = next - epochs.begin();
    return EpochId{begun > 0 ? static_cast<std::uint32_t>(begun - 1) : 0};
}

std::vector<PathTable> tables(const Epochs& epochs) {
    std::vector<PathTable> all{epochs.base};
    for (std::size_t e = 1; e < epochs.epochs.size(); ++e) {
        Result<PathTable> next = all.back().with(epochs.epochs[e].delta);
        PLEAT_ASSERT(next.has_value());
        all.push_back(std::move(*next));
    }
    return all;
}

}  // namespace pleat
