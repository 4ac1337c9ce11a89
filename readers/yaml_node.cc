#include "readers/yaml_node.hh"

#include <algorithm>
#include <array>

namespace pleat {

namespace {

bool plain_safe(std::string_view text, bool in_flow) {
    if (text.empty() || text.size() > 1000) return false;
    constexpr std::string_view kFirst =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_/$";
    if (kFirst.find(text.front()) == std::string_view::npos) return false;
    constexpr std::array<std::string_view, 8> kWords{"null",  "Null", "NULL", "true",
                                                     "false", "yes",  "no",   "on"};
    if (std::ranges::find(kWords, text) != kWords.end()) return false;
    if (text.back() == ' ' || text.back() == ':') return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        if (c < 0x20 || c == 0x7f || c >= 0x80) return false;
        if (c == ':' && text[i + 1] == ' ') return false;
        if (c == ' ' && text[i + 1] == '#') return false;
        if (in_flow && std::string_view{"[]{},:\"'"}.find(text[i]) != std::string_view::npos) {
            return false;
        }
    }
    return true;
}

}  // namespace

const YamlNode* YamlNode::find(std::string_view key) const {
    for (std::size_t i = 0; i < keys.size(); ++i) {
        if (keys[i].text == key) return &items[i];
    }
    return nullptr;
}

const char* kind_text(YamlNode::Kind kind) {
    switch (kind) {
        case YamlNode::Kind::null:
            return "nothing";
        case YamlNode::Kind::scalar:
            return "a single value";
        case YamlNode::Kind::sequence:
            return "a list";
        case YamlNode::Kind::mapping:
            return "a map";
    }
    return "";
}

std::string flow_text(const YamlNode& node) {
    switch (node.kind) {
        case YamlNode::Kind::null:
            return "null";
        case YamlNode::Kind::scalar:
            return yaml_scalar(node.text, true);
        case YamlNode::Kind::sequence: {
            std::string text;
            for (const YamlNode& item : node.items) {
                text += (text.empty() ? "" : ", ") + flow_text(item);
            }
            return "[" + text + "]";
        }
        case YamlNode::Kind::mapping: {
            std::string text;
            for (std::size_t i = 0; i < node.keys.size(); ++i) {
                text += (text.empty() ? "" : ", ") + yaml_scalar(node.keys[i].text, true) + ": " +
                        flow_text(node.items[i]);
            }
            return "{" + text + "}";
        }
    }
    return {};
}

std::string value_text(const YamlNode& node) {
    return node.is_scalar() ? yaml_scalar(node.text) : flow_text(node);
}

std::string yaml_scalar(std::string_view text, bool in_flow) {
    if (plain_safe(text, in_flow)) return std::string{text};
    constexpr std::string_view kHex = "0123456789abcdef";
    std::string quoted = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            quoted += '\\';
            quoted += c;
        } else if (c == '\n') {
            quoted += "\\n";
        } else if (c == '\t') {
            quoted += "\\t";
        } else if (byte < 0x20 || byte == 0x7f) {
            quoted += "\\x";
            quoted += kHex[byte >> 4U];
            quoted += kHex[byte & 0xfU];
        } else {
            quoted += c;
        }
    }
    return quoted + '"';
}

}  // namespace pleat
