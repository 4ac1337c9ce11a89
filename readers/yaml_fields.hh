// YamlFields: taking values out of a YAML tree, each with a problem where it has another
// form than expected.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "readers/report.hh"
#include "readers/text_problem.hh"
#include "readers/yaml_node.hh"

namespace pleat {

class YamlFields {
  public:
    explicit YamlFields(Report& report) : report_{&report} {}

    Report& report() const { return *report_; }

    // Is it a map? `what` begins the problem's sentence: "hosts:".
    bool is_map(const YamlNode& node, std::string_view what) const;

    // Reports keys that are not known (and don't begin with "x-").
    void check_keys(const YamlNode& map, std::string_view what,
                    std::span<const std::string_view> known) const;

    // A single value, not empty.
    std::optional<std::string> text(const YamlNode& node, std::string_view what) const;
    std::optional<bool> boolean(const YamlNode& node, std::string_view what) const;
    std::optional<std::int64_t> whole(const YamlNode& node, std::string_view what,
                                      std::int64_t least, std::int64_t most) const;

    // A list of single values, or one alone.
    std::optional<std::vector<std::pair<std::string, Place>>> texts(const YamlNode& node,
                                                                    std::string_view what) const;

    // A map of single values, or a list of "key=value".
    std::optional<std::map<std::string, std::string>> text_map(const YamlNode& node,
                                                               std::string_view what) const;

    // Names in a list or in one value with commas; sorted, each once.
    std::optional<std::vector<std::string>> tags(const YamlNode& node) const;

    // Has the name the right form? Reports when not.
    bool name_ok(std::string_view name, Place place, std::string_view what) const;

  private:
    Report* report_;
};

// Keys that begin with "x-" are the user's own.
bool is_extension(std::string_view key);

}  // namespace pleat
