#include "controller/network_check.hh"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/error.hh"
#include "base/joined.hh"
#include "base/overload.hh"
#include "model/graph_min_cut.hh"

namespace pleat {

namespace {

constexpr std::size_t kMostLines = 10;
// Some 4 s.
constexpr std::size_t kMostFolds = 4'000'000;

std::string milliseconds(Duration d) {
    return fmt::format("{:.4g} ms", std::chrono::duration<double, std::milli>{d}.count());
}

std::string megabits(std::int64_t bps) {
    return fmt::format("{:.4g} Mbit/s", static_cast<double>(bps) / 1e6);
}

// The first few, and how many more `things` there are.
std::string list(std::vector<std::string> texts, std::string_view things = "pairs") {
    constexpr std::size_t kMostTexts = 4;
    if (texts.size() > kMostTexts) {
        const std::size_t more = texts.size() - kMostTexts;
        texts.resize(kMostTexts);
        texts.push_back(fmt::format("{} more {}", more, things));
    }
    return joined(texts, ", ");
}

// Never beyond what is a rate.
std::optional<Bandwidth> together(std::optional<Bandwidth> a, std::optional<Bandwidth> b) {
    if (!a || !b) return a ? a : b;
    const std::int64_t most = Bandwidth::unlimited().bits_per_second() - 1;
    const std::int64_t room = most - a->bits_per_second();
    return Bandwidth::bits_per_second(a->bits_per_second() + std::min(b->bits_per_second(), room));
}

class Judge {
  public:
    Judge(const Scenario& scenario, const std::vector<std::string>& machine_of_host,
          const WaysByMachines& ways, const std::vector<RunRates*>& others)
        : scenario_{scenario}, ways_{ways}, others_{others}, names_{machine_of_host} {
        std::ranges::sort(names_);
        const auto repeated = std::ranges::unique(names_);
        names_.erase(repeated.begin(), repeated.end());
        for (const std::string& name : machine_of_host) {
            placement_.push_back(MachineId{static_cast<std::uint32_t>(
                std::ranges::lower_bound(names_, name) - names_.begin())});
        }
    }

    NetworkJudgement judged(const Epochs& epochs) {
        NetworkJudgement result;
        note_unmeasured(result);
        std::vector<UnderlayLink> underlay = underlay_of(ways_, names_);
        if (underlay.empty()) return result;
        for (UnderlayLink& link : underlay) {
            if (link.rate) link.spoken_for = spoken_for(name_of(link.from), name_of(link.to));
        }
        const std::size_t hosts = placement_.size();
        if (hosts * hosts > kMostFolds) {
            result.notes.push_back(fmt::format(
                "there are too many paths ({}) to check them against the network", hosts * hosts));
            return result;
        }
        const PathFolder folder{scenario_};
        PathTable table = epochs.base;
        for (std::size_t epoch = 0; epoch < epochs.epochs.size(); ++epoch) {
            if ((epoch + 1) * hosts * hosts > kMostFolds) {
                result.notes.push_back(
                    fmt::format("only the first {} of {} epochs were checked against the network",
                                epoch, epochs.epochs.size()));
                break;
            }
            if (epoch > 0) {
                Result<PathTable> next = table.with(epochs.epochs[epoch].delta);
                PLEAT_ASSERT(next);
                table = *std::move(next);
            }
            const UnderlayFindings found =
                check_underlay(folder, table, placement_, underlay, kMostLines);
            if (found.total == 0) continue;
            const ExperimentTime start = epochs.epochs[epoch].start;
            for (const UnderlayFinding& finding : found.findings) {
                result.problems.push_back(
                    line(finding, epoch == 0 ? std::nullopt : std::optional{start}));
            }
            if (found.total > found.findings.size()) {
                result.problems.push_back(
                    fmt::format("and {} more", found.total - found.findings.size()));
            }
            break;  // the first epoch that can't be is enough to know
        }
        return result;
    }

  private:
    const WayInfo* way(const std::string& a, const std::string& b) const {
        const auto found = ways_.find({std::min(a, b), std::max(a, b)});
        return found == ways_.end() || !found->second.quality ? nullptr : &found->second;
    }

    std::optional<Bandwidth> spoken_for(const std::string& from, const std::string& to) const {
        std::optional<Bandwidth> sum;
        for (RunRates* const other : others_) sum = together(sum, other->between(from, to));
        return sum;
    }

    // ", of which are spoken for: 50 Mbit/s by r-1, 20 Mbit/s by r-2".
    std::string shares_of_others(MachineId from, MachineId to) const {
        std::vector<std::string> shares;
        for (RunRates* const other : others_) {
            const auto rate = other->between(name_of(from), name_of(to));
            if (!rate) continue;
            shares.push_back(
                fmt::format("{} by {}", megabits(rate->bits_per_second()), other->run()));
        }
        return fmt::format(", of which are spoken for: {}", list(std::move(shares), "runs"));
    }

    void note_unmeasured(NetworkJudgement& result) const {
        std::vector<std::string> unknown;
        std::vector<std::string> no_rate;
        for (std::size_t i = 0; i < names_.size(); ++i) {
            for (std::size_t j = i + 1; j < names_.size(); ++j) {
                const WayInfo* const known = way(names_[i], names_[j]);
                const std::string pair = names_[i] + " - " + names_[j];
                if (known == nullptr) {
                    unknown.push_back(pair);
                } else if (!known->quality->there || !known->quality->back) {
                    no_rate.push_back(pair);
                }
            }
        }
        if (!unknown.empty()) {
            result.notes.push_back(fmt::format(
                "the network between {} has not been measured (pleat machines check), so the "
                "placement is not checked against it",
                list(std::move(unknown))));
        }
        if (!no_rate.empty()) {
            result.notes.push_back(fmt::format(
                "the rate of the network between {} has not been measured (pleat machines check)",
                list(std::move(no_rate))));
        }
    }

    const std::string& name_of(MachineId machine) const { return names_.at(machine.value); }

    std::string host(HostId id) const {
        return fmt::format("{} ({})", scenario_.topology.host(id).name,
                           name_of(placement_.at(id.value)));
    }

    std::string measured_rate(MachineId from, MachineId to) const {
        const WayQuality& quality = *way(name_of(from), name_of(to))->quality;
        const auto& forward = from < to ? quality.there : quality.back;
        const auto& rate = forward ? forward : from < to ? quality.back : quality.there;
        return fmt::format("{} ± {}", megabits(rate->rate.bits_per_second()),
                           megabits(rate->error_bps));
    }

    std::string line(const UnderlayFinding& finding, std::optional<ExperimentTime> from) const {
        const std::string when =
            from ? fmt::format("from t={:.3g}s on: ",
                               std::chrono::duration<double>{from->time_since_epoch()}.count())
                 : std::string{};
        return when +
               std::visit(Overload{
                              [this](const LatencyBelowReal& it) {
                                  const MachineId a = placement_.at(it.flow.source.value);
                                  const MachineId b = placement_.at(it.flow.destination.value);
                                  const Duration round_trip =
                                      way(name_of(a), name_of(b))->quality->round_trips.least;
                                  return fmt::format(
                                      "{} -> {}: {} emulated, {} real (half of {} round trip)",
                                      host(it.flow.source), host(it.flow.destination),
                                      milliseconds(it.emulated), milliseconds(round_trip / 2),
                                      milliseconds(round_trip));
                              },
                              [this](const PathAboveUnderlay& it) {
                                  return fmt::format(
                                      "{} -> {}: {} emulated, {} real", host(it.flow.source),
                                      host(it.flow.destination),
                                      megabits(it.emulated.bits_per_second()),
                                      measured_rate(placement_.at(it.flow.source.value),
                                                    placement_.at(it.flow.destination.value)));
                              },
                              [this](const TogetherAboveUnderlay& it) {
                                  return fmt::format(
                                      "{} -> {}, all hosts together: {} emulated, {} real{}",
                                      name_of(it.from), name_of(it.to),
                                      megabits(it.emulated.bits_per_second()),
                                      measured_rate(it.from, it.to),
                                      it.spoken_for ? shares_of_others(it.from, it.to) : "");
                              },
                          },
                          finding);
    }

    const Scenario& scenario_;
    const WaysByMachines& ways_;
    const std::vector<RunRates*>& others_;
    std::vector<std::string> names_;
    Placement placement_;
};

}  // namespace

RunRates::RunRates(std::string run, const Scenario& scenario, const Epochs& epochs,
                   const std::vector<std::string>& machine_of_host)
    : run_{std::move(run)}, scenario_{scenario}, epochs_{epochs} {
    for (std::uint32_t host = 0; host < machine_of_host.size(); ++host) {
        hosts_of_[machine_of_host[host]].push_back(HostId{host});
    }
}

std::optional<Bandwidth> RunRates::between(const std::string& from, const std::string& to) {
    const auto known = known_.find({from, to});
    if (known != known_.end()) return known->second;
    std::optional<Bandwidth> most;
    const std::size_t hosts = scenario_.topology.hosts().size();
    PathTable table = epochs_.base;
    for (std::size_t epoch = 0; epoch < epochs_.epochs.size(); ++epoch) {
        // The same bounds as of a judgement.
        if ((epoch + 1) * hosts * hosts > kMostFolds) break;
        if (!hosts_of_.contains(from) || !hosts_of_.contains(to)) break;
        if (epoch > 0) {
            Result<PathTable> next = table.with(epochs_.epochs[epoch].delta);
            PLEAT_ASSERT(next);
            table = *std::move(next);
        }
        const auto cut = least_cut(scenario_.topology, table, hosts_of_[from], hosts_of_[to]);
        if (cut && !cut->is_unlimited()) most = std::max(most.value_or(*cut), *cut);
    }
    known_.emplace(std::pair{from, to}, most);
    return most;
}

std::string refusal_text(const NetworkJudgement& judgement) {
    if (judgement.problems.empty()) return {};
    return fmt::format(
        "the network between the machines can't carry this placement (--ignore-network goes on "
        "nevertheless, place: in the file says where a host belongs):\n  {}",
        joined(judgement.problems, "\n  "));
}

std::vector<UnderlayLink> underlay_of(const WaysByMachines& ways,
                                      const std::vector<std::string>& names) {
    std::vector<UnderlayLink> underlay;
    const auto at_most = [](const std::optional<MeasuredRate>& rate) -> std::optional<Bandwidth> {
        if (!rate) return {};
        return Bandwidth::bits_per_second(rate->rate.bits_per_second() + rate->error_bps);
    };
    for (std::uint32_t i = 0; i < names.size(); ++i) {
        for (std::uint32_t j = i + 1; j < names.size(); ++j) {
            const auto found = ways.find({names[i], names[j]});
            if (found == ways.end() || !found->second.quality) continue;
            const WayQuality& quality = *found->second.quality;
            const Duration round_trip =
                std::max(quality.round_trips.least - 2 * kAddedByPlanes, Duration::zero());
            // One direction that was not measured is taken to be as the other.
            const auto there = at_most(quality.there ? quality.there : quality.back);
            const auto back = at_most(quality.back ? quality.back : quality.there);
            underlay.push_back({MachineId{i}, MachineId{j}, round_trip, there});
            underlay.push_back({MachineId{j}, MachineId{i}, round_trip, back});
        }
    }
    return underlay;
}

NetworkJudgement judge_network(const Scenario& scenario, const Epochs& epochs,
                               const std::vector<std::string>& machine_of_host,
                               const WaysByMachines& ways, const std::vector<RunRates*>& others) {
    return Judge{scenario, machine_of_host, ways, others}.judged(epochs);
}

}  // namespace pleat
