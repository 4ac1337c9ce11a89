// pleat paths: what an application will see of the network, for every pair of hosts; and how
// much of it the real network between a controller's machines is.
#include <fmt/format.h>

#include "base/clock.hh"
#include "cli/commands.hh"
#include "cli/controller_link.hh"
#include "cli/format.hh"
#include "cli/host_names.hh"
#include "cli/json.hh"
#include "cli/load.hh"
#include "cli/placed_paths.hh"
#include "model/epochs.hh"
#include "model/path.hh"
#include "readers/unit_text.hh"

namespace pleat {
namespace {

// "0s", "30s": the beginning is no latency.
std::string at_text(ExperimentTime at) {
    return at == ExperimentTime{} ? "0s" : text_of(at.time_since_epoch());
}

// Prints the rows of one epoch after another.
class Rows {
  public:
    virtual ~Rows() = default;
    virtual void begin(EpochId epoch, const Epoch& what) = 0;
    // Without a path the destination is unreachable; `placed` when that was asked for.
    virtual void row(HostId source, HostId destination, const std::optional<Path>& path,
                     const std::optional<PlacedPath>& placed) = 0;
    virtual void end() = 0;
    virtual void finish() = 0;
};

class JsonRows final : public Rows {
  public:
    JsonRows(const Topology& topology, Output& output) : topology_{topology}, output_{output} {}

    void begin(EpochId epoch, const Epoch& /*what*/) override { epoch_ = epoch; }

    void row(HostId source, HostId destination, const std::optional<Path>& path,
             const std::optional<PlacedPath>& placed) override {
        if (!path) return;
        output_.data((first_ ? "[\n" : ",\n") +
                     path_row(topology_, source, destination, epoch_, *path, placed));
        first_ = false;
    }

    void end() override {}

    void finish() override { output_.data(first_ ? "[]\n" : "\n]\n"); }

  private:
    const Topology& topology_;
    Output& output_;
    EpochId epoch_;
    bool first_ = true;
};

class TableRows final : public Rows {
  public:
    TableRows(const Topology& topology, bool placed, Output& output)
        : topology_{topology}, placed_{placed}, output_{output} {}

    void begin(EpochId epoch, const Epoch& what) override {
        std::string heading = fmt::format("{}epoch {} from {}", started_ ? "\n" : "", epoch.value,
                                          at_text(what.start));
        for (std::size_t i = 0; i < what.events.size(); ++i) {
            heading += (i == 0 ? ": " : "; ") + what.events[i];
        }
        output_.data(heading + "\n");
        started_ = true;
        rows_ = {{"FROM", "TO", "LATENCY"}};
        if (placed_) rows_[0].insert(rows_[0].end(), {"REAL", "ADDED", "MACHINES"});
        rows_[0].insert(rows_[0].end(), {"RTT", "JITTER", "LOSS", "BANDWIDTH", "HOPS"});
    }

    void row(HostId source, HostId destination, const std::optional<Path>& path,
             const std::optional<PlacedPath>& placed) override {
        const std::string& from = topology_.host(source).name;
        const std::string& to = topology_.host(destination).name;
        if (!path) {
            rows_.push_back({from, to, "unreachable"});
            return;
        }
        std::string hops;
        for (std::size_t i = 0; i + 1 < path->links.size(); ++i) {
            hops += (i == 0 ? "" : " ") + topology_.name(topology_.link(path->links[i]).to);
        }
        std::vector<std::string> row{from, to, text_of(path->latency)};
        if (placed) add_placed(row, *placed);
        row.insert(row.end(), {text_of(path->rtt), text_of(path->jitter), percent(path->loss),
                               text_of(path->bandwidth), hops.empty() ? "-" : hops});
        rows_.push_back(std::move(row));
    }

    void end() override {
        output_.data(table(rows_));
        rows_.clear();
    }

    void finish() override {}

  private:
    static void add_placed(std::vector<std::string>& row, const PlacedPath& placed) {
        if (placed.is_on_one_machine()) {
            row.insert(row.end(), {"-", text_of(placed.added), placed.source});
            return;
        }
        const std::string machines = placed.source + " -> " + placed.destination;
        if (!placed.real) {
            row.insert(row.end(), {"not measured", "?", machines});
            return;
        }
        row.insert(row.end(),
                   {text_of(*placed.real),
                    placed.is_too_quick ? "none: too slow" : text_of(placed.added), machines});
    }

    const Topology& topology_;
    bool placed_;
    Output& output_;
    bool started_ = false;
    std::vector<std::vector<std::string>> rows_;
};

// The epoch that is in force at `at`.
std::size_t epoch_at(const Epochs& epochs, ExperimentTime at) {
    std::size_t result = 0;
    for (std::size_t i = 0; i < epochs.epochs.size(); ++i) {
        if (epochs.epochs[i].start <= at) result = i;
    }
    return result;
}

struct Selection {
    std::vector<HostId> from;
    std::vector<HostId> to;
    std::optional<std::size_t> epoch;  // nothing: all
};

// How many of the paths are asked to be quicker than the real network is.
std::size_t print_rows(const Scenario& scenario, const Epochs& epochs, const Selection& selection,
                       const std::optional<PlacedPaths>& places, Rows& rows) {
    std::size_t too_quick = 0;
    const PathFolder folder{scenario};
    PathTable table = epochs.base;
    for (std::size_t i = 0; i < epochs.epochs.size(); ++i) {
        if (i > 0) table = table.with(epochs.epochs[i].delta).value();
        if (selection.epoch && *selection.epoch != i) continue;
        rows.begin(EpochId{static_cast<std::uint32_t>(i)}, epochs.epochs[i]);
        for (const HostId source : selection.from) {
            for (const HostId destination : selection.to) {
                if (source == destination) continue;
                const auto path = folder.fold(table, source, destination);
                std::optional<PlacedPath> placed;
                if (places && path) placed = places->of({source, destination}, path->latency);
                if (placed && placed->is_too_quick) ++too_quick;
                rows.row(source, destination, path, placed);
            }
        }
        rows.end();
    }
    rows.finish();
    return too_quick;
}

tl::expected<PlacementChecked, LinkFailure> asked_placement(const Scenario& scenario,
                                                            const std::string& controller) {
    const Result<ControllerPlace> place = find_controller(controller);
    if (!place) {
        return tl::unexpected{LinkFailure{ExitCode::controller_unreachable, place.error().message}};
    }
    return ControllerLink{*place}.wait<PlacementChecked>(CheckPlacement{.scenario = scenario});
}

PathStatistics statistics_of(const Epochs& epochs, Duration took) {
    PathStatistics statistics;
    statistics.epochs = epochs.epochs.size();
    statistics.trees = epochs.base.trees().size();
    statistics.seconds = std::chrono::duration<double>{took}.count();
    statistics.bytes = epochs.base.links().size() * sizeof(LinkState);
    for (const PathTable::Tree& tree : epochs.base.trees()) {
        statistics.bytes += tree->size() * sizeof(LinkId);
    }
    for (const Epoch& epoch : epochs.epochs) {
        statistics.bytes += epoch.delta.links.size() * sizeof(LinkStateChange) +
                            epoch.delta.parents.size() * sizeof(TreeChange);
    }
    return statistics;
}

void print_statistics(const PathStatistics& statistics, bool json, Output& output) {
    if (json) {
        output.data(path_statistics_document(statistics));
        return;
    }
    output.data(fmt::format("{} epochs, {} trees, computed in {:.3f} s, {} bytes\n",
                            statistics.epochs, statistics.trees, statistics.seconds,
                            statistics.bytes));
}

}  // namespace

ExitCode execute(const PathsArguments& arguments, Output& output) {
    std::optional<Duration> at;
    if (!arguments.at.empty()) {
        const Result<Duration> parsed = parse_duration(arguments.at);
        if (!parsed) {
            output.error("paths: --at: " + parsed.error().message);
            return ExitCode::usage;
        }
        at = *parsed;
    }
    const std::optional<Scenario> scenario = load_topology(arguments.topology, output);
    if (!scenario) return ExitCode::invalid_topology;
    if (at && scenario->duration && *at > *scenario->duration) {
        output.error(fmt::format("paths: --at: {} is after the end of the run (duration: {})",
                                 arguments.at, text_of(*scenario->duration)));
        return ExitCode::usage;
    }
    const Topology& topology = scenario->topology;

    Selection selection{.from = hosts_named(topology, arguments.from),
                        .to = hosts_named(topology, arguments.to),
                        .epoch = std::nullopt};
    for (const auto& [found, name] :
         {std::pair{&selection.from, &arguments.from}, std::pair{&selection.to, &arguments.to}}) {
        if (!found->empty() || name->empty()) continue;
        output.error(no_such_host(topology, *name));
        return ExitCode::not_found;
    }

    output.progress("computing epochs");
    const Instant began = monotonic_now();
    const Epochs epochs = compute_epochs(*scenario);
    const Duration took = monotonic_now() - began;
    if (arguments.stats) {
        print_statistics(statistics_of(epochs, took), arguments.json, output);
        return ExitCode::ok;
    }
    if (at) selection.epoch = epoch_at(epochs, ExperimentTime{*at});
    std::optional<PlacedPaths> places;
    if (arguments.machines) {
        const auto placement = asked_placement(*scenario, arguments.controller);
        if (!placement) {
            output.error("paths: " + placement.error().message);
            return placement.error().code;
        }
        for (const std::string& note : placement->notes) output.warning(note);
        places.emplace(*placement);
    }
    JsonRows json{topology, output};
    TableRows text{topology, arguments.machines, output};
    const std::size_t too_quick =
        print_rows(*scenario, epochs, selection, places,
                   arguments.json ? static_cast<Rows&>(json) : static_cast<Rows&>(text));
    if (too_quick > 0) {
        output.warning(
            fmt::format("{} of these paths: the real latency is larger than the "
                        "emulated one, so they will be as slow as the real network",
                        too_quick));
    }
    return ExitCode::ok;
}

}  // namespace pleat
