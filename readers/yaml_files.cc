#include "readers/yaml_files.hh"

#include <algorithm>
#include <set>

#include "readers/spelling.hh"

namespace pleat {

namespace {

constexpr std::size_t kMostFiles = 100;
constexpr std::size_t kDeepestInclude = 16;
constexpr std::size_t kLongestText = std::size_t{1} << 20U;
constexpr int kDeepestVariable = 8;

// What ${…} in a text stands for. Tells names that are not known.
struct Substitution {
    std::string text;
    std::vector<std::pair<std::string, std::size_t>> unknown;  // and where
    bool open = false;                                         // "${" without "}"
};

Substitution substituted(std::string_view text, const Variables& variables) {
    Substitution result;
    for (std::size_t i = 0; i < text.size();) {
        if (text.substr(i).starts_with("$${")) {
            result.text += "${";
            i += 3;
            continue;
        }
        if (!text.substr(i).starts_with("${")) {
            result.text += text[i++];
            continue;
        }
        const auto end = text.find('}', i);
        if (end == std::string_view::npos) {
            result.open = true;
            return result;
        }
        const std::string name{text.substr(i + 2, end - i - 2)};
        const auto found = variables.find(name);
        if (found == variables.end()) {
            result.unknown.emplace_back(name, i);
        } else if (result.text.size() + found->second.size() < kLongestText) {
            result.text += found->second;
        }
        i = end + 1;
    }
    return result;
}

class Files {
  public:
    Files(const ReadOptions& options, const FileLoader& load, const YamlFields& fields)
        : options_{&options}, load_{&load}, fields_{&fields}, report_{&fields.report()} {}

    std::vector<YamlNode> run(std::uint32_t source) {
        read(source, {std::filesystem::path{report_->name(source)}.lexically_normal().string()});
        collect_variables();
        for (YamlNode& document : documents_) {
            for (std::size_t i = 0; i < document.keys.size(); ++i) {
                const std::string& key = document.keys[i].text;
                if (key == "vars" || key == "include" || is_extension(key)) continue;
                substitute(document.items[i], variables_, *report_);
            }
        }
        return std::move(documents_);
    }

  private:
    void read(std::uint32_t source, std::vector<std::string> chain) {
        auto document = parse_yaml(source, *report_);
        if (!document) return;
        if (!document->is_mapping()) {
            report_->error(document->place, "bad-form",
                           std::string{"expected keys such as hosts: and links:, found "} +
                               kind_text(document->kind));
            return;
        }
        const YamlNode* include = document->find("include");
        std::optional<std::vector<std::pair<std::string, Place>>> paths;
        if (include != nullptr) paths = fields_->texts(*include, "include:");
        documents_.push_back(std::move(*document));
        if (!paths) return;
        for (const auto& [path, place] : *paths) {
            const std::string target = path_beside(chain.back(), path);
            if (std::ranges::find(chain, target) != chain.end()) {
                report_->error(place, "include-cycle",
                               "'" + path + "' includes itself, in the end");
                continue;
            }
            // Two files may both include a third: it counts once.
            if (!seen_.insert(target).second) continue;
            if (seen_.size() > kMostFiles || chain.size() >= kDeepestInclude) {
                report_->error(place, "limit", "too many files are included");
                return;
            }
            auto text = (*load_)(target);
            if (!text) {
                report_->error(place, "unreadable", text.error().message);
                continue;
            }
            std::vector<std::string> longer = chain;
            longer.push_back(target);
            read(report_->add_source(target, std::move(*text)), std::move(longer));
        }
    }

    // The first to say a variable wins: the command line, then the including file.
    void collect_variables() {
        variables_ = options_->variables;
        std::map<std::string, const YamlNode*> said;
        for (const YamlNode& document : documents_) {
            const YamlNode* vars = document.find("vars");
            if (vars == nullptr || vars->is_null() || !fields_->is_map(*vars, "vars:")) continue;
            for (std::size_t i = 0; i < vars->keys.size(); ++i) {
                const YamlNode& key = vars->keys[i];
                const YamlNode& value = vars->items[i];
                if (!fields_->name_ok(key.text, key.place, "the variable")) continue;
                if (!value.is_scalar() && !value.is_null()) {
                    fields_->text(value, "a variable:");
                    continue;
                }
                said.emplace(key.text, &value);
            }
        }
        for (const auto& [name, value] : options_->variables) {
            if (said.contains(name) || used(name)) continue;
            NearestWord nearest{name};
            for (const auto& [other, node] : said) nearest.consider(other);
            report_->error(Place{0, 0, 0}, "unknown-variable",
                           "the file has no variable '" + name + "'", nearest.found());
        }
        for (const auto& [name, node] : said) {
            if (!variables_.contains(name)) resolve(name, said, 0);
        }
    }

    // A variable may be made of others.
    void resolve(const std::string& name, const std::map<std::string, const YamlNode*>& said,
                 int depth) {
        const YamlNode& node = *said.at(name);
        if (depth > kDeepestVariable) {
            report_->error(node.place, "cycle",
                           "the variable '" + name + "' is made of itself, in the end");
            variables_[name] = "";
            return;
        }
        for (const auto& [other, offset] : substituted(node.text, variables_).unknown) {
            if (said.contains(other)) resolve(other, said, depth + 1);
        }
        YamlNode copy = node;
        substitute(copy, variables_, *report_);
        variables_[name] = copy.text;
    }

    bool used(const std::string& name) const {
        const std::string form = "${" + name + "}";
        return std::ranges::any_of(documents_, [&](const YamlNode& document) {
            return report_->text(document.place.source).find(form) != std::string::npos;
        });
    }

    const ReadOptions* options_;
    const FileLoader* load_;
    const YamlFields* fields_;
    Report* report_;
    std::vector<YamlNode> documents_;
    std::set<std::string> seen_;
    Variables variables_;
};

}  // namespace

std::string path_beside(const std::string& from, const std::string& path) {
    return (std::filesystem::path{from}.parent_path() / path).lexically_normal().string();
}

void substitute(YamlNode& node, const Variables& variables, Report& report) {
    if (node.text.find("${") != std::string::npos) {
        Substitution result = substituted(node.text, variables);
        for (const auto& [name, offset] : result.unknown) {
            NearestWord nearest{name};
            for (const auto& [other, value] : variables) nearest.consider(other);
            report.error(node.at(offset), "unknown-variable", "there is no variable '" + name + "'",
                         nearest.found());
        }
        if (result.open) {
            report.error(node.at(node.text.find("${")), "bad-value",
                         "'${' has no '}'; write '$${' for a literal one");
        }
        node.text = std::move(result.text);
        node.literal.reset();
    }
    for (YamlNode& key : node.keys) substitute(key, variables, report);
    for (YamlNode& item : node.items) substitute(item, variables, report);
}

std::vector<YamlNode> load_yaml_files(std::uint32_t source, const ReadOptions& options,
                                      const FileLoader& load, const YamlFields& fields) {
    return Files{options, load, fields}.run(source);
}

}  // namespace pleat
