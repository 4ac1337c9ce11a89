// A YAML file with what it includes, and `${variables}` replaced.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "readers/read_scenario.hh"
#include "readers/yaml_fields.hh"
#include "readers/yaml_node.hh"

namespace pleat {

// The documents, the including one before what it includes. Reports cycles, files that
// can't be read, unknown variables.
std::vector<YamlNode> load_yaml_files(std::uint32_t source, const ReadOptions& options,
                                      const FileLoader& load, const YamlFields& fields);

// Values of variables, by name.
using Variables = std::map<std::string, std::string>;

// Replaces ${name} everywhere in the tree; `$${` stands for `${`.
void substitute(YamlNode& node, const Variables& variables, Report& report);

// `path`, when it is relative, as seen from the file `from`.
std::string path_beside(const std::string& from, const std::string& path);

}  // namespace pleat
