// Reading topology files: from a text to a Scenario, or to all that is wrong with it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hh"
#include "model/scenario.hh"
#include "readers/problem.hh"

namespace pleat {

// What the command line adds to a file.
struct ReadOptions {
    std::map<std::string, std::string> variables;  // --var k=v; win over the file's vars:
    std::vector<std::string> extra_events;         // --set "30s: set a--b 10ms"
    std::string events_file;                       // --events FILE, in place of events:
    std::optional<std::uint64_t> seed;
};

struct ReadOutcome {
    std::optional<Scenario> scenario;  // present when no problem is an error
    std::vector<Problem> problems;     // in the order of their places

    bool ok() const { return scenario.has_value(); }
};

// The text of a file that another one names. Fails with the reason.
using FileLoader = std::function<Result<std::string>(const std::string& path)>;

// From the disk.
Result<std::string> load_file(const std::string& path);

// YAML or Kollaps XML, by content.
ReadOutcome read_scenario(const std::filesystem::path& file, const ReadOptions& options = {});

// `name` is what problems call the text, and from where includes are relative.
ReadOutcome read_yaml(std::string_view text, const std::string& name,
                      const ReadOptions& options = {}, const FileLoader& load = load_file);
ReadOutcome read_kollaps(std::string_view text, const std::string& name,
                         const ReadOptions& options = {}, const FileLoader& load = load_file);

// "40ms 10Mbps loss=1%": the hosts "shell" and "outside", one link between them.
Result<Scenario> read_link_spec(std::string_view spec);

// The scenario as a file in which everything is resolved: read_yaml makes an equal one
// of it.
std::string write_yaml(const Scenario& scenario);

// The grammar of `pleat do`: what a line does at an instant. Overlays (of `flap`) have
// numbers that the scenario's timeline does not use.
Result<std::vector<TimedEvent>> parse_event_line(std::string_view line, const Scenario& scenario,
                                                 ExperimentTime at);

}  // namespace pleat
