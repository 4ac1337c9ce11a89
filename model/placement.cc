#include "model/placement.hh"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <utility>

#include "base/overload.hh"
#include "model/partition_search.hh"

namespace pleat {

namespace {

constexpr std::string_view kMachinePrefix = "machine:";
constexpr std::string_view kLabelPrefix = "label:";

MachineId machine_id(std::size_t index) {
    return MachineId{static_cast<std::uint32_t>(index)};
}

// Hosts on machines while the rules are carried out, one after another.
class Seats {
  public:
    Seats(std::span<const Machine> machines, std::size_t hosts)
        : machines_{machines}, load_(machines.size(), 0), seat_(hosts), choices_(hosts) {}

    bool has_room(MachineId machine) const {
        const auto& room = machines_[machine.value].room;
        return !room || load_[machine.value] < *room;
    }

    // For how many hosts more, at most `hosts`.
    std::size_t room(MachineId machine, std::size_t hosts) const {
        const auto& room = machines_[machine.value].room;
        if (!room) return hosts;
        return std::min<std::size_t>(*room - std::min(*room, load_[machine.value]), hosts);
    }

    // Of `choices`, the one that is least loaded for its capacity and has room.
    std::optional<MachineId> emptiest(std::span<const MachineId> choices) const {
        std::optional<MachineId> best;
        for (const MachineId one : choices) {
            if (has_room(one) && (!best || fullness(one) < fullness(*best))) best = one;
        }
        return best;
    }

    // Puts the host on the emptiest of its choices; when all are full, others that have a
    // choice make room (an augmenting path). False when there is no way.
    bool take(HostId host, std::vector<MachineId> choices) {
        choices_[host.value] = std::move(choices);
        if (const auto machine = emptiest(choices_[host.value])) {
            sit(host, *machine);
            return true;
        }
        return make_room(host);
    }

    std::uint32_t load(MachineId machine) const { return load_[machine.value]; }

    const std::vector<std::optional<MachineId>>& seats() const { return seat_; }

  private:
    double fullness(MachineId machine) const {
        return (load_[machine.value] + 1) / machines_[machine.value].capacity;
    }

    void sit(HostId host, MachineId machine) {
        if (const auto before = seat_[host.value]) --load_[before->value];
        seat_[host.value] = machine;
        ++load_[machine.value];
    }

    bool make_room(HostId newcomer) {
        // Reached machines, and which host could be moved there.
        std::vector<std::optional<HostId>> comes(machines_.size());
        std::vector<MachineId> reached;
        for (const MachineId one : choices_[newcomer.value]) {
            comes[one.value] = newcomer;
            reached.push_back(one);
        }
        for (std::size_t i = 0; i < reached.size(); ++i) {
            for (std::uint32_t h = 0; h < seat_.size(); ++h) {
                if (seat_[h] != reached[i]) continue;
                for (const MachineId to : choices_[h]) {
                    if (comes[to.value]) continue;
                    comes[to.value] = HostId{h};
                    if (!has_room(to)) {
                        reached.push_back(to);
                        continue;
                    }
                    move_along(to, comes);
                    return true;
                }
            }
        }
        return false;
    }

    // Each host of the path moves to where the one before it made room.
    void move_along(MachineId to, const std::vector<std::optional<HostId>>& comes) {
        for (;;) {
            const HostId host = *comes[to.value];
            const std::optional<MachineId> from = seat_[host.value];
            sit(host, to);
            if (!from) return;
            to = *from;
        }
    }

    std::span<const Machine> machines_;
    std::vector<std::uint32_t> load_;
    std::vector<std::optional<MachineId>> seat_;
    std::vector<std::vector<MachineId>> choices_;
};

std::vector<MachineId> all_of(std::span<const Machine> machines) {
    std::vector<MachineId> all(machines.size());
    for (std::size_t m = 0; m < machines.size(); ++m) all[m] = machine_id(m);
    return all;
}

std::string list(std::span<const Machine> machines) {
    std::string text;
    for (const Machine& one : machines) text += (text.empty() ? "" : ", ") + one.name;
    return text;
}

// Which machines a rule names; all when it names none.
Result<std::vector<MachineId>> choices(const Host& host, const PlaceRule& rule,
                                       std::span<const Machine> machines) {
    std::vector<MachineId> found;
    const auto* const named = std::get_if<PlaceOnMachine>(&rule);
    const auto* const labelled = std::get_if<PlaceByLabel>(&rule);
    for (std::size_t m = 0; m < machines.size(); ++m) {
        const Machine& machine = machines[m];
        if (named != nullptr && machine.name != named->name) continue;
        if (labelled != nullptr &&
            std::ranges::find(machine.labels, labelled->label) == machine.labels.end()) {
            continue;
        }
        found.push_back(machine_id(m));
    }
    if (!found.empty()) return found;
    return fail("host '" + host.name + "': place '" + place_rule_text(rule) + "' is no machine " +
                (labelled != nullptr ? "with that label" : "of this experiment") +
                "; there are: " + list(machines));
}

tl::unexpected<Error> no_room(const Host& host, const PlaceRule& rule,
                              std::span<const Machine> machines) {
    std::string rooms;
    for (const Machine& one : machines) {
        rooms += (rooms.empty() ? "" : ", ") + one.name + " takes " +
                 (one.room ? std::to_string(*one.room) : "any number");
    }
    const std::string text = place_rule_text(rule);
    return fail("host '" + host.name + "'" + (text.empty() ? "" : " (place: " + text + ")") +
                ": no machine has room for it left (" + rooms + ")");
}

std::optional<Error> seat_each(const Topology& topology, std::span<const Machine> machines,
                               std::span<const PlaceRule> rules, std::span<const HostId> hosts,
                               Seats& seats) {
    for (const HostId host : hosts) {
        const PlaceRule& rule = rules[host.value];
        const auto where = choices(topology.host(host), rule, machines);
        if (!where) return where.error();
        if (!seats.take(host, *where)) return no_room(topology.host(host), rule, machines).value();
    }
    return std::nullopt;
}

std::vector<MachineId> only(std::optional<MachineId> machine,
                            std::span<const MachineId> everywhere) {
    if (machine) return {*machine};
    return {everywhere.begin(), everywhere.end()};
}

// On one machine after another, until all have one; then again.
std::optional<HostId> seat_spread(std::span<const MachineId> everywhere,
                                  std::span<const HostId> members, Seats& seats) {
    std::vector<MachineId> unused;
    for (const HostId host : members) {
        std::optional<MachineId> machine = seats.emptiest(unused);
        if (!machine) {
            unused.assign(everywhere.begin(), everywhere.end());
            machine = seats.emptiest(unused);
        }
        if (machine) std::erase(unused, *machine);
        if (!seats.take(host, only(machine, everywhere))) return host;
    }
    return std::nullopt;
}

// On the emptiest machine that has room for all; else on the one with most room, and so on.
std::optional<HostId> seat_packed(std::span<const MachineId> everywhere,
                                  std::span<const HostId> members, Seats& seats) {
    std::optional<MachineId> machine;
    for (std::size_t i = 0; i < members.size(); ++i) {
        if (!machine || !seats.has_room(*machine)) {
            const std::size_t left = members.size() - i;
            std::size_t most = 0;
            for (const MachineId one : everywhere) most = std::max(most, seats.room(one, left));
            std::vector<MachineId> roomy;
            std::ranges::copy_if(everywhere, std::back_inserter(roomy),
                                 [&](MachineId one) { return seats.room(one, left) == most; });
            machine = seats.emptiest(roomy);
        }
        if (!seats.take(members[i], only(machine, everywhere))) {
            return members[i];
        }
    }
    return std::nullopt;
}

// The narrowest rules first.
std::optional<Error> seat_by_rules(const Topology& topology, std::span<const Machine> machines,
                                   std::span<const PlaceRule> rules, Seats& seats) {
    std::vector<HostId> named;
    std::vector<HostId> labelled;
    std::map<std::string, std::vector<HostId>> spread;
    std::map<std::string, std::vector<HostId>> packed;
    for (std::uint32_t h = 0; h < rules.size(); ++h) {
        const HostId host{h};
        const std::string& group = topology.host(host).group;
        std::visit(
            Overload{[](PlaceAnywhere) {}, [&](const PlaceOnMachine&) { named.push_back(host); },
                     [&](const PlaceByLabel&) { labelled.push_back(host); },
                     [&](PlaceSpread) { spread[group].push_back(host); },
                     [&](PlacePack) { packed[group].push_back(host); }},
            rules[h]);
    }
    for (const auto* const some : {&named, &labelled}) {
        if (auto error = seat_each(topology, machines, rules, *some, seats)) return error;
    }
    const std::vector<MachineId> everywhere = all_of(machines);
    const auto refused = [&](HostId host) {
        return no_room(topology.host(host), rules[host.value], machines).value();
    };
    for (const auto& [group, members] : spread) {
        if (const auto host = seat_spread(everywhere, members, seats)) return refused(*host);
    }
    for (const auto& [group, members] : packed) {
        if (const auto host = seat_packed(everywhere, members, seats)) return refused(*host);
    }
    return std::nullopt;
}

// To the machine that has most of the group, if one has any; those for whom there is no room left
// are put away as packed replicas are. False when there is no room at all.
bool seat_together(std::span<const MachineId> everywhere, std::span<const HostId> group,
                   Seats& seats) {
    std::vector<HostId> left;
    std::map<MachineId, std::size_t> there;
    for (const HostId host : group) {
        const std::optional<MachineId>& seat = seats.seats()[host.value];
        if (seat) {
            ++there[*seat];
        } else {
            left.push_back(host);
        }
    }
    if (!there.empty()) {
        const MachineId machine =
            std::ranges::max_element(there, {}, [](const auto& one) { return one.second; })->first;
        auto host = left.begin();
        while (host != left.end() && seats.has_room(machine)) {
            if (!seats.take(*host, {machine})) break;
            ++host;
        }
        left.erase(left.begin(), host);
    }
    return !seat_packed(everywhere, left, seats);
}

// How many hosts each machine shall have in the end: in proportion to its capacity, not
// below what it has, not above its room; the fractions by the largest remainder. Sums up to
// `hosts`, or less when the rooms are too small.
std::vector<std::uint32_t> targets(std::span<const Machine> machines, const Seats& seats,
                                   std::size_t hosts) {
    const std::size_t count = machines.size();
    const auto least = [&](std::size_t m) { return double(seats.load(machine_id(m))); };
    const auto most = [&](std::size_t m) {
        return machines[m].room ? double(*machines[m].room) : double(hosts);
    };
    const auto level = [&](std::size_t m, double hosts_per_capacity) {
        return std::clamp(hosts_per_capacity * machines[m].capacity, least(m),
                          std::max(least(m), most(m)));
    };
    const auto sum = [&](double hosts_per_capacity) {
        double all = 0;
        for (std::size_t m = 0; m < count; ++m) all += level(m, hosts_per_capacity);
        return all;
    };
    // The level to which water rises: the sum grows with it.
    double low = 0;
    double high = 1;
    constexpr double kHighest = 1e18;
    while (sum(high) < double(hosts) && high < kHighest) high *= 2;
    constexpr int kHalvings = 200;
    for (int i = 0; i < kHalvings; ++i) {
        const double middle = low + (high - low) / 2;
        (sum(middle) < double(hosts) ? low : high) = middle;
    }
    constexpr double kRounding = 1e-9;  // a share that is whole shall stay so
    std::vector<std::uint32_t> target(count);
    std::vector<std::pair<double, std::size_t>> remainders;
    std::size_t given = 0;
    for (std::size_t m = 0; m < count; ++m) {
        const double share = level(m, high);
        const double whole = std::max(least(m), std::floor(share + kRounding));
        target[m] = static_cast<std::uint32_t>(whole);
        given += target[m];
        remainders.emplace_back(std::round((share - whole) / kRounding), m);
    }
    std::ranges::sort(remainders, {},
                      [](const auto& one) { return std::pair{-one.first, one.second}; });
    for (bool gave = true; gave && given < hosts;) {
        gave = false;
        for (const auto& [remainder, m] : remainders) {
            if (given == hosts) break;
            if (double(target[m]) + 1 > most(m)) continue;
            ++target[m];
            ++given;
            gave = true;
        }
    }
    return target;
}

}  // namespace

Result<PlaceRule> parse_place_rule(std::string_view text) {
    const auto after = [text](std::string_view prefix) {
        return std::string{text.substr(prefix.size())};
    };
    PlaceRule rule;
    if (text == "spread") {
        rule = PlaceSpread{};
    } else if (text == "pack") {
        rule = PlacePack{};
    } else if (text.starts_with(kLabelPrefix)) {
        rule = PlaceByLabel{after(kLabelPrefix)};
    } else if (text.starts_with(kMachinePrefix)) {
        rule = PlaceOnMachine{after(kMachinePrefix)};
    } else {
        rule = PlaceOnMachine{std::string{text}};
    }
    const auto* const named = std::get_if<PlaceOnMachine>(&rule);
    const auto* const labelled = std::get_if<PlaceByLabel>(&rule);
    if ((named != nullptr && named->name.empty()) ||
        (labelled != nullptr && labelled->label.empty())) {
        return fail(
            "expected a machine such as m1 or machine:m1, label:LABEL, spread or pack, "
            "found '" +
            std::string{text} + "'");
    }
    return rule;
}

std::string place_rule_text(const PlaceRule& rule) {
    return std::visit(
        Overload{[](PlaceAnywhere) { return std::string{}; },
                 [](const PlaceOnMachine& one) { return std::string{kMachinePrefix} + one.name; },
                 [](const PlaceByLabel& one) { return std::string{kLabelPrefix} + one.label; },
                 [](PlaceSpread) { return std::string{"spread"}; },
                 [](PlacePack) { return std::string{"pack"}; }},
        rule);
}

Result<Placement> place_hosts(const Topology& topology, std::span<const Machine> machines,
                              std::span<const PlaceRule> rules,
                              std::span<const std::vector<HostId>> together) {
    const std::size_t hosts = topology.hosts().size();
    PLEAT_ASSERT(!machines.empty() && std::ranges::is_sorted(machines, {}, &Machine::name));
    PLEAT_ASSERT(rules.empty() || rules.size() == hosts);
    Seats seats{machines, hosts};
    if (auto error = seat_by_rules(topology, machines, rules, seats)) {
        return fail(std::move(error->message));
    }
    for (const std::vector<HostId>& group : together) {
        if (seat_together(all_of(machines), group, seats)) continue;
        return no_room(topology.host(group.front()), PlaceAnywhere{}, machines);
    }
    const std::vector<std::uint32_t> target = targets(machines, seats, hosts);
    if (std::accumulate(target.begin(), target.end(), std::size_t{0}) < hosts) {
        const auto& seated = seats.seats();
        const auto first = std::ranges::find_if(seated, [](const auto& one) { return !one; });
        return no_room(topology.host(HostId{static_cast<std::uint32_t>(first - seated.begin())}),
                       PlaceAnywhere{}, machines);
    }
    const TrafficGraph graph{topology};
    PartitionProblem problem{.graph = graph,
                             .hosts = hosts,
                             .machines = machines.size(),
                             .fixed = seats.seats(),
                             .quota = target};
    for (std::size_t m = 0; m < machines.size(); ++m) {
        problem.quota[m] -= seats.load(machine_id(m));
    }
    std::vector<MachineId> placement = search_partition(problem);
    placement.resize(hosts);
    return placement;
}

double parted_bandwidth(const Topology& topology, const Placement& placement) {
    const TrafficGraph graph{topology};
    MachineId last{};
    for (const MachineId one : placement) last = std::max(last, one);
    std::vector<MachineId> machine_of = placement;
    machine_of.resize(graph.vertices(), MachineId{0xffffffff});
    settle_bridges_anew(graph, placement.size(), std::size_t{last.value} + 1, machine_of);
    return parted(graph, machine_of);
}

}  // namespace pleat
