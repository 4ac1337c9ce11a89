// YamlNode: a YAML document as a tree in which every part knows where it stands.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "readers/report.hh"

namespace pleat {

struct YamlNode {
    enum class Kind { null, scalar, sequence, mapping };

    Kind kind = Kind::null;
    std::string text;  // of a scalar
    bool quoted = false;
    Place place;
    std::optional<int> literal;   // see TextPlace
    std::vector<YamlNode> keys;   // of a mapping, scalars; as many as `items`
    std::vector<YamlNode> items;  // of a sequence, or the values of a mapping

    bool is_null() const { return kind == Kind::null; }

    bool is_scalar() const { return kind == Kind::scalar; }

    bool is_sequence() const { return kind == Kind::sequence; }

    bool is_mapping() const { return kind == Kind::mapping; }

    // The value of a key, or nullptr.
    const YamlNode* find(std::string_view key) const;

    TextPlace text_place() const { return TextPlace{place, literal}; }

    // The place of a byte of `text`.
    Place at(std::size_t offset) const { return text_place().at(offset); }
};

// "a scalar", "a list", "a map" or "nothing".
const char* kind_text(YamlNode::Kind kind);

// The node in flow style, on one line: what can't be interpreted is kept so.
std::string flow_text(const YamlNode& node);

// The same, but a scalar as it would stand alone.
std::string value_text(const YamlNode& node);

// A text as a YAML scalar that reads back equal: plain where that is safe, else quoted.
// `in_flow`: within [] or {}.
std::string yaml_scalar(std::string_view text, bool in_flow = false);

// Nothing, and an error in the report, when the text is no YAML document, or one that
// grows without bounds. Also reports duplicate keys. Aliases and merge keys are resolved.
std::optional<YamlNode> parse_yaml(std::uint32_t source, Report& report);

}  // namespace pleat
