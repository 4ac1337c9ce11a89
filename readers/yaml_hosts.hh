// The `hosts:` of a YAML file.
#pragma once

#include "readers/scenario_draft.hh"
#include "readers/yaml_fields.hh"

namespace pleat {

// Adds the hosts of one `hosts:` map, and what it says about single replicas.
void read_hosts(const YamlNode& hosts, const YamlFields& fields, ScenarioDraft& draft);

}  // namespace pleat
