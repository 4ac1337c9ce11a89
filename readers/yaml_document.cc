// The one file that sees yaml-cpp: its events become a tree of YamlNodes.
//
// (1) Parsing and aliases make at most kMostNodes nodes: a document that names itself
//     over and over ("billion laughs") is refused, not unfolded.
// (2) yaml-cpp keeps both of two equal keys; the second is an error here.
#include <algorithm>
#include <map>
#include <sstream>
#include <unordered_map>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include "readers/text_problem.hh"
#include "readers/yaml_node.hh"

namespace pleat {

namespace {

constexpr std::size_t kMostBytes = std::size_t{16} << 20U;
constexpr std::size_t kMostNodes = 2'000'000;

// Ends the parsing from within a callback of yaml-cpp.
struct TooMany {
    Place place;
};

Place place_of(std::uint32_t source, const YAML::Mark& mark) {
    if (mark.is_null()) return Place{source, 0, 0};
    return Place{source, mark.line + 1, mark.column + 1};
}

std::size_t weight(const YamlNode& node) {
    std::size_t sum = 1 + node.keys.size();
    for (const YamlNode& item : node.items) sum += weight(item);
    return sum;
}

class TreeBuilder : public YAML::EventHandler {
  public:
    TreeBuilder(std::uint32_t source, Report& report) : source_{source}, report_{&report} {}

    void OnDocumentStart(const YAML::Mark& mark) override { start_ = place_of(source_, mark); }

    void OnDocumentEnd() override {}

    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        YamlNode node;
        node.place = place_of(source_, mark);
        complete(std::move(node), anchor);
    }

    void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        const auto found = anchors_.find(anchor);
        if (found == anchors_.end()) {
            report_->error(place_of(source_, mark), "yaml", "this alias is part of what it names");
            YamlNode node;
            node.place = place_of(source_, mark);
            complete(std::move(node), 0);
            return;
        }
        spend(found->second.weight, place_of(source_, mark));
        complete(found->second.node, 0);
    }

    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  const std::string& value) override {
        YamlNode node;
        node.kind = YamlNode::Kind::scalar;
        node.text = value;
        node.quoted = tag == "!";
        node.place = place_of(source_, mark);
        node.literal = literal_at(node);
        complete(std::move(node), anchor);
    }

    void OnSequenceStart(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value /*style*/) override {
        open(YamlNode::Kind::sequence, mark, anchor);
    }

    void OnSequenceEnd() override { close(); }

    void OnMapStart(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value /*style*/) override {
        open(YamlNode::Kind::mapping, mark, anchor);
    }

    void OnMapEnd() override { close(); }

    Place start() const { return start_; }

    YamlNode& root() { return root_; }

  private:
    struct Open {
        YamlNode node;
        YAML::anchor_t anchor = 0;
        bool has_key = false;  // of a mapping: its last key waits for its value
    };

    struct Anchored {
        YamlNode node;
        std::size_t weight = 0;
    };

    void spend(std::size_t nodes, Place place) {
        nodes_ += nodes;
        if (nodes_ > kMostNodes) throw TooMany{place};
    }

    std::optional<int> literal_at(const YamlNode& node) const {
        const std::string_view line = report_->line(source_, node.place.line);
        const auto column = static_cast<std::size_t>(node.place.column - 1);
        for (const int quote : {0, 1}) {
            const std::size_t begin = column + static_cast<std::size_t>(quote);
            if (begin > line.size()) continue;
            if (line.substr(begin).starts_with(node.text)) return quote;
        }
        return std::nullopt;
    }

    void open(YamlNode::Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor) {
        YamlNode node;
        node.kind = kind;
        node.place = place_of(source_, mark);
        open_.push_back(Open{std::move(node), anchor, false});
    }

    void close() {
        Open done = std::move(open_.back());
        open_.pop_back();
        if (done.node.is_mapping()) finish_mapping(done.node);
        complete(std::move(done.node), done.anchor);
    }

    void complete(YamlNode node, YAML::anchor_t anchor) {
        spend(1, node.place);
        if (anchor != 0) {
            const std::size_t nodes = weight(node);
            spend(nodes, node.place);
            anchors_[anchor] = Anchored{node, nodes};
        }
        if (open_.empty()) {
            root_ = std::move(node);
            return;
        }
        Open& parent = open_.back();
        if (parent.node.is_mapping() && !parent.has_key) {
            parent.node.keys.push_back(std::move(node));
            parent.has_key = true;
            return;
        }
        parent.node.items.push_back(std::move(node));
        parent.has_key = false;
    }

    // Drops keys that are no scalars or stand there twice, and resolves `<<`.
    void finish_mapping(YamlNode& mapping) {
        std::unordered_map<std::string, Place> seen;
        std::vector<YamlNode> keys;
        std::vector<YamlNode> items;
        std::vector<YamlNode> merged;
        for (std::size_t i = 0; i < mapping.keys.size(); ++i) {
            YamlNode& key = mapping.keys[i];
            YamlNode& item = mapping.items[i];
            if (!key.is_scalar()) {
                report_->error(key.place, "yaml",
                               std::string{"a key is "} + kind_text(key.kind) +
                                   ", expected text; put text with brackets in quotes");
                continue;
            }
            if (key.text == "<<" && !key.quoted && (item.is_mapping() || item.is_sequence())) {
                merged.push_back(std::move(item));
                continue;
            }
            const auto [first, fresh] = seen.emplace(key.text, key.place);
            if (!fresh) {
                report_->error(key.place, "duplicate-key",
                               "the key '" + key.text + "' stands here twice, first in line " +
                                   std::to_string(first->second.line));
                continue;
            }
            keys.push_back(std::move(key));
            items.push_back(std::move(item));
        }
        mapping.keys = std::move(keys);
        mapping.items = std::move(items);
        for (const YamlNode& source : merged) merge(mapping, source);
    }

    void merge(YamlNode& mapping, const YamlNode& from) {
        if (from.is_sequence()) {
            for (const YamlNode& part : from.items) merge(mapping, part);
            return;
        }
        if (!from.is_mapping()) {
            report_->error(from.place, "yaml", "expected a map to merge (<<)");
            return;
        }
        for (std::size_t i = 0; i < from.keys.size(); ++i) {
            if (mapping.find(from.keys[i].text) != nullptr) continue;
            spend(weight(from.items[i]), from.place);
            mapping.keys.push_back(from.keys[i]);
            mapping.items.push_back(from.items[i]);
        }
    }

    std::uint32_t source_;
    Report* report_;
    Place start_;
    YamlNode root_;
    std::vector<Open> open_;
    std::map<YAML::anchor_t, Anchored> anchors_;
    std::size_t nodes_ = 0;
};

// yaml-cpp says what it missed; people want to know what they did.
std::string explained(const std::string& message, std::string_view line) {
    const auto indent = line.substr(0, line.find_first_not_of(" \t"));
    if (indent.find('\t') != std::string_view::npos) {
        return "a tab may not indent YAML; use blanks";
    }
    std::string text = "this is no YAML: " + message;
    const bool brackets = message.find("flow") != std::string::npos ||
                          message.find("alias not found") != std::string::npos;
    if (brackets) text += "; within [ ] or { }, put text with brackets or commas in quotes";
    return text;
}

}  // namespace

std::optional<YamlNode> parse_yaml(std::uint32_t source, Report& report) {
    const std::string& text = report.text(source);
    if (text.size() > kMostBytes) {
        report.error(Place{source, 0, 0}, "limit", "the file has more than 16 MiB");
        return std::nullopt;
    }
    if (const auto bad = first_not_text(text); bad != std::string_view::npos) {
        report.error(report.place(source, bad), "yaml", "this is no UTF-8 text");
        return std::nullopt;
    }
    TreeBuilder tree{source, report};
    try {
        std::istringstream stream{text};
        YAML::Parser parser{stream};
        if (!parser.HandleNextDocument(tree)) {
            report.error(Place{source, 1, 1}, "empty", "the file is empty");
            return std::nullopt;
        }
        TreeBuilder second{source, report};
        if (parser.HandleNextDocument(second)) {
            report.error(second.start(), "yaml", "a second document begins here, expected one");
            return std::nullopt;
        }
    } catch (const YAML::Exception& e) {
        const Place place = place_of(source, e.mark);
        // A tab may be in the line before the one where it confused the parser.
        const std::string_view here = report.line(source, place.line);
        report.error(place, "yaml", explained(e.msg, here));
        return std::nullopt;
    } catch (const TooMany& e) {
        report.error(e.place, "limit", "the document has too many parts, or aliases of aliases");
        return std::nullopt;
    }
    return std::move(tree.root());
}

}  // namespace pleat
