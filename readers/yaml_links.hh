// The `links:` of a YAML file.
#pragma once

#include "model/link_properties.hh"
#include "readers/link_words.hh"
#include "readers/scenario_draft.hh"
#include "readers/yaml_fields.hh"

namespace pleat {

// The words of a link or of `defaults.link`, in the one-line form or as a map.
LinkWords read_yaml_link_words(const YamlNode& value, LinkWordsFor where, const YamlFields& fields);

// Adds the links of one `links:` list (or map).
void read_links(const YamlNode& links, const LinkProperties& defaults, const YamlFields& fields,
                ScenarioDraft& draft);

// The link that words make between two points, the rest from the defaults.
LinkDraft link_of(const LinkWords& words, const LinkProperties& defaults);

}  // namespace pleat
