// The `events:` of a YAML file and of the command line, and the form of `expect:`.
#pragma once

#include "readers/read_scenario.hh"
#include "readers/scenario_draft.hh"
#include "readers/yaml_fields.hh"

namespace pleat {

// Adds the events of one `events:` list (or map).
void read_events(const YamlNode& events, const YamlFields& fields, ScenarioDraft& draft);

// Adds "30s: set a--b 10ms".
void read_extra_event(const std::string& text, const YamlFields& fields, ScenarioDraft& draft);

// Adds the events of `options.events_file`: a list of events, or a file with `events:`.
void read_events_file(const ReadOptions& options, const FileLoader& load, const YamlFields& fields,
                      ScenarioDraft& draft);

// Is this a sentence such as `throughput(a -> b, 10s..20s) ~ 30Mbps ± 5%`? Only its form:
// a function, its arguments in brackets, a comparison, a value.
bool is_expectation(std::string_view text);

}  // namespace pleat
