#include "readers/yaml_fields.hh"

#include <algorithm>

#include "readers/spelling.hh"
#include "readers/unit_text.hh"

namespace pleat {

bool is_extension(std::string_view key) {
    return key.starts_with("x-");
}

bool YamlFields::is_map(const YamlNode& node, std::string_view what) const {
    if (node.is_mapping()) return true;
    report_->error(node.place, "bad-form",
                   std::string{what} + " expected a map, found " + kind_text(node.kind));
    return false;
}

void YamlFields::check_keys(const YamlNode& map, std::string_view what,
                            std::span<const std::string_view> known) const {
    for (const YamlNode& key : map.keys) {
        if (is_extension(key.text) || std::ranges::find(known, key.text) != known.end()) continue;
        report_->error(key.place, "unknown-key",
                       std::string{what} + " has no key '" + key.text + "'",
                       report_->patient() ? nearest_word(key.text, known) : std::string{});
    }
}

std::optional<std::string> YamlFields::text(const YamlNode& node, std::string_view what) const {
    if (node.is_scalar() && !node.text.empty()) return node.text;
    report_->error(node.place, "bad-form",
                   std::string{what} + " expected a single value, found " +
                       (node.is_scalar() ? "an empty one" : kind_text(node.kind)));
    return std::nullopt;
}

std::optional<bool> YamlFields::boolean(const YamlNode& node, std::string_view what) const {
    const bool is_true = node.text == "true";
    if (node.is_scalar() && (is_true || node.text == "false")) return is_true;
    std::string suggest;
    if (node.text == "yes" || node.text == "on" || node.text == "True") suggest = "true";
    if (node.text == "no" || node.text == "off" || node.text == "False") suggest = "false";
    report_->error(node.place, "bad-value", std::string{what} + " expected true or false", suggest);
    return std::nullopt;
}

std::optional<std::int64_t> YamlFields::whole(const YamlNode& node, std::string_view what,
                                              std::int64_t least, std::int64_t most) const {
    const auto value = text(node, what);
    if (!value) return std::nullopt;
    const auto number = parse_whole(*value, what, least, most);
    if (number) return *number;
    report_->error(node.place, "bad-value", number.error().message);
    return std::nullopt;
}

std::optional<std::vector<std::pair<std::string, Place>>> YamlFields::texts(
    const YamlNode& node, std::string_view what) const {
    std::vector<std::pair<std::string, Place>> result;
    if (node.is_scalar()) {
        result.emplace_back(node.text, node.at(0));
        return result;
    }
    if (!node.is_sequence()) {
        report_->error(node.place, "bad-form",
                       std::string{what} + " expected a list, found " + kind_text(node.kind));
        return std::nullopt;
    }
    bool good = true;
    for (const YamlNode& item : node.items) {
        if (const auto value = text(item, what)) {
            result.emplace_back(*value, item.at(0));
        } else {
            good = false;
        }
    }
    if (!good) return std::nullopt;
    return result;
}

std::optional<std::map<std::string, std::string>> YamlFields::text_map(
    const YamlNode& node, std::string_view what) const {
    std::map<std::string, std::string> result;
    if (node.is_mapping()) {
        for (std::size_t i = 0; i < node.keys.size(); ++i) {
            const YamlNode& item = node.items[i];
            if (item.is_null()) {
                result.emplace(node.keys[i].text, "");
            } else if (item.is_scalar()) {
                result.emplace(node.keys[i].text, item.text);
            } else {
                text(item, what);
            }
        }
        return result;
    }
    const auto entries = texts(node, what);
    if (!entries) return std::nullopt;
    for (const auto& [entry, place] : *entries) {
        const auto equals = entry.find('=');
        if (equals == std::string::npos || equals == 0) {
            report_->error(place, "bad-form",
                           std::string{what} + " expected KEY: VALUE or KEY=VALUE");
            continue;
        }
        result.emplace(entry.substr(0, equals), entry.substr(equals + 1));
    }
    return result;
}

std::optional<std::vector<std::string>> YamlFields::tags(const YamlNode& node) const {
    const auto entries = texts(node, "tags:");
    if (!entries) return std::nullopt;
    std::set<std::string> result;
    for (const auto& [entry, place] : *entries) {
        for (const Word tag : split_at(entry, ',')) {
            if (name_ok(tag.text, place, "the tag")) result.emplace(tag.text);
        }
    }
    return std::vector<std::string>{result.begin(), result.end()};
}

bool YamlFields::name_ok(std::string_view name, Place place, std::string_view what) const {
    if (valid_name(name)) return true;
    report_->error(place, "bad-name",
                   std::string{what} + " '" + std::string{name} + "': " + std::string{kNameForm});
    return false;
}

}  // namespace pleat
