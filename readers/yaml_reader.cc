// The YAML topology file: its top level.
#include <algorithm>
#include <array>
#include <charconv>

#include "readers/read_scenario.hh"
#include "readers/scenario_draft.hh"
#include "readers/spelling.hh"
#include "readers/unit_text.hh"
#include "readers/yaml_events.hh"
#include "readers/yaml_files.hh"
#include "readers/yaml_hosts.hh"
#include "readers/yaml_links.hh"

namespace pleat {

namespace {

constexpr std::array<std::string_view, 20> kKeys{
    "pleat",   "name",     "seed",     "duration", "routing",  "addresses", "vars",
    "include", "groups",   "defaults", "hosts",    "bridges",  "links",     "events",
    "expect",  "generate", "machines", "probes",   "fidelity", "collect"};

constexpr Duration kLongestRun = std::chrono::hours{24 * 365};

class YamlReader {
  public:
    YamlReader(const std::string& name, const ReadOptions& options, const FileLoader& load,
               Report& report)
        : options_{&options}, load_{&load}, report_{&report}, fields_{report} {
        draft_.name = std::filesystem::path{name}.stem().string();
    }

    std::optional<Scenario> read(std::uint32_t source) {
        documents_ = load_yaml_files(source, *options_, *load_, fields_);
        if (documents_.empty()) return std::nullopt;
        draft_.addresses_place = Place{source, 0, 0};
        for (const YamlNode& document : documents_) {
            fields_.check_keys(document, "a topology", kKeys);
        }
        single("pleat", [this](const YamlNode& node) {
            if (node.text != "1") {
                report_->error(node.place, "version",
                               "pleat: expected 1, the version of this format");
            }
        });
        single("name", [this](const YamlNode& node) {
            if (auto text = fields_.text(node, "name:")) draft_.name = *text;
        });
        single("seed", [this](const YamlNode& node) { read_seed(node); });
        single("duration", [this](const YamlNode& node) { read_duration(node); });
        single("routing", [this](const YamlNode& node) { read_routing(node); });
        single("addresses", [this](const YamlNode& node) {
            draft_.addresses = fields_.text(node, "addresses:");
            draft_.addresses_place = node.place;
        });
        single("defaults", [this](const YamlNode& node) { read_defaults(node); });
        if (options_->seed) draft_.seed = *options_->seed;

        draft_.incomplete = std::ranges::any_of(documents_, [](const YamlNode& document) {
            const YamlNode* generate = document.find("generate");
            return generate != nullptr && !generate->is_null();
        });
        each("hosts", [this](const YamlNode& node) { read_hosts(node, fields_, draft_); });
        each("bridges", [this](const YamlNode& node) { read_bridges(node); });
        each("links",
             [this](const YamlNode& node) { read_links(node, defaults_, fields_, draft_); });
        each("groups", [this](const YamlNode& node) { read_groups(node); });
        each("expect", [this](const YamlNode& node) { read_expectations(node); });
        if (options_->events_file.empty()) {
            each("events", [this](const YamlNode& node) { read_events(node, fields_, draft_); });
        } else {
            read_events_file(*options_, *load_, fields_, draft_);
        }
        for (const std::string& event : options_->extra_events) {
            read_extra_event(event, fields_, draft_);
        }
        keep_for_later();
        return assemble(std::move(draft_), source, *report_);
    }

  private:
    // A key that counts once: the including file wins.
    template <typename Do>
    void single(std::string_view key, Do read) {
        for (const YamlNode& document : documents_) {
            const YamlNode* node = document.find(key);
            if (node == nullptr) continue;
            return read(*node);
        }
    }

    // A key whose values in all files are put together.
    template <typename Do>
    void each(std::string_view key, Do read) {
        for (const YamlNode& document : documents_) {
            if (const YamlNode* node = document.find(key)) read(*node);
        }
    }

    void read_seed(const YamlNode& node) {
        const std::string& text = node.text;
        std::uint64_t seed = 0;
        const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), seed);
        if (!node.is_scalar() || text.empty() || status != std::errc{} ||
            end != text.data() + text.size()) {
            report_->error(node.place, "bad-value", "seed: expected a whole number, zero or more");
            return;
        }
        draft_.seed = seed;
    }

    void read_duration(const YamlNode& node) {
        const auto text = fields_.text(node, "duration:");
        if (!text) return;
        const auto duration = parse_duration(*text);
        if (!duration) {
            report_->error(node.place, "bad-value", "duration: " + duration.error().message,
                           unit_suggestion(*text));
        } else if (*duration == Duration::zero() || *duration > kLongestRun) {
            report_->error(node.place, "bad-value",
                           "duration: expected more than 0s and at most a year");
        } else {
            draft_.duration = *duration;
        }
    }

    void read_routing(const YamlNode& node) {
        constexpr std::array<std::string_view, 2> kRoutings{"latency", "hops"};
        const auto text = fields_.text(node, "routing:");
        if (!text) return;
        if (std::ranges::find(kRoutings, *text) == kRoutings.end()) {
            report_->error(node.place, "bad-value",
                           "routing: expected latency or hops, found '" + *text + "'",
                           nearest_word(*text, kRoutings));
            return;
        }
        draft_.routing = *text == "hops" ? Routing::hops : Routing::latency;
    }

    void read_defaults(const YamlNode& node) {
        constexpr std::array<std::string_view, 1> kDefaults{"link"};
        if (node.is_null() || !fields_.is_map(node, "defaults:")) return;
        fields_.check_keys(node, "defaults:", kDefaults);
        const YamlNode* link = node.find("link");
        if (link == nullptr) return;
        defaults_ = merged(LinkProperties{},
                           read_yaml_link_words(*link, LinkWordsFor::defaults, fields_).patch);
    }

    void read_bridges(const YamlNode& node) {
        constexpr std::array<std::string_view, 1> kBridge{"tags"};
        if (node.is_null()) return;
        if (node.is_mapping()) {
            for (std::size_t i = 0; i < node.keys.size(); ++i) {
                const YamlNode& key = node.keys[i];
                const YamlNode& value = node.items[i];
                BridgeDraft bridge{key.text, key.place, {}};
                if (!value.is_null() && fields_.is_map(value, "a bridge:")) {
                    fields_.check_keys(value, "a bridge", kBridge);
                    if (const YamlNode* tags = value.find("tags")) {
                        bridge.tags = fields_.tags(*tags).value_or(std::vector<std::string>{});
                    }
                }
                add_bridge(std::move(bridge));
            }
            return;
        }
        if (!node.is_sequence()) {
            report_->error(
                node.place, "bad-form",
                std::string{"bridges: expected a list of names, found "} + kind_text(node.kind));
            return;
        }
        for (const YamlNode& item : node.items) {
            if (item.is_mapping()) {
                read_bridges(item);
            } else if (const auto name = fields_.text(item, "a bridge:")) {
                add_bridge(BridgeDraft{*name, item.at(0), {}});
            }
        }
    }

    void add_bridge(BridgeDraft bridge) {
        if (!fields_.name_ok(bridge.name, bridge.place, "the bridge")) return;
        if (bridge.name == kOutsideName) {
            report_->error(bridge.place, "bad-name", "the name 'outside' is taken");
            return;
        }
        draft_.bridges.push_back(std::move(bridge));
    }

    void read_groups(const YamlNode& node) {
        if (node.is_null() || !fields_.is_map(node, "groups:")) return;
        for (std::size_t i = 0; i < node.keys.size(); ++i) {
            const YamlNode& key = node.keys[i];
            if (!fields_.name_ok(key.text, key.place, "the group")) continue;
            auto members = fields_.texts(node.items[i], "a group:");
            if (!members) continue;
            draft_.groups.push_back(GroupDraft{key.text, key.place, std::move(*members)});
        }
    }

    void read_expectations(const YamlNode& node) {
        if (node.is_null()) return;
        const auto texts = fields_.texts(node, "expect:");
        if (!texts) return;
        for (const auto& [text, place] : *texts) {
            if (is_expectation(text)) {
                draft_.expectations.push_back(text);
            } else {
                report_->error(
                    place, "bad-expectation",
                    "expected a form such as `throughput(a -> b, 10s..20s) ~ 30Mbps ± 5%`");
            }
        }
    }

    void keep_for_later() {
        for (const char* key : {"generate", "machines", "probes"}) {
            // Of several files: one list.
            std::vector<YamlNode> said;
            each(key, [&](const YamlNode& node) {
                if (!node.is_null()) said.push_back(node);
            });
            if (said.empty()) continue;
            YamlNode whole = said.front();
            for (std::size_t i = 1; i < said.size(); ++i) {
                if (!whole.is_sequence()) {
                    YamlNode list;
                    list.kind = YamlNode::Kind::sequence;
                    list.items.push_back(std::move(whole));
                    whole = std::move(list);
                }
                if (said[i].is_sequence()) {
                    whole.items.insert(whole.items.end(), said[i].items.begin(),
                                       said[i].items.end());
                } else {
                    whole.items.push_back(said[i]);
                }
            }
            draft_.not_yet.push_back(std::string{key} + ": " + value_text(whole));
        }
        for (const char* key : {"fidelity", "collect"}) {
            each(key, [&](const YamlNode& node) {
                report_->note(node.place, "not-in-force",
                              std::string{key} + ": is not yet in force");
            });
        }
    }

    const ReadOptions* options_;
    const FileLoader* load_;
    Report* report_;
    YamlFields fields_;
    std::vector<YamlNode> documents_;
    LinkProperties defaults_;
    ScenarioDraft draft_;
};

}  // namespace

ReadOutcome read_yaml(std::string_view text, const std::string& name, const ReadOptions& options,
                      const FileLoader& load) {
    Report report;
    const std::uint32_t source = report.add_source(name, std::string{text});
    ReadOutcome outcome;
    outcome.scenario = YamlReader{name, options, load, report}.read(source);
    if (report.errors() > 0) outcome.scenario.reset();
    outcome.problems = report.problems();
    return outcome;
}

}  // namespace pleat
