#include "readers/yaml_events.hh"

#include <algorithm>
#include <array>

#include "readers/yaml_files.hh"

namespace pleat {

namespace {

void read_event(const YamlNode& when, const YamlNode& line, const YamlFields& fields,
                ScenarioDraft& draft) {
    if (line.is_sequence()) {
        for (const YamlNode& item : line.items) {
            if (item.is_sequence()) {
                fields.text(item, "an event:");
            } else {
                read_event(when, item, fields, draft);
            }
        }
        return;
    }
    const auto text = fields.text(line, "an event:");
    if (!text) return;
    draft.events.push_back(EventDraft{when.text, when.text_place(), *text, line.text_place()});
}

}  // namespace

void read_events(const YamlNode& events, const YamlFields& fields, ScenarioDraft& draft) {
    if (events.is_null()) return;
    if (events.is_sequence()) {
        for (const YamlNode& item : events.items) {
            if (item.is_mapping()) {
                read_events(item, fields, draft);
            } else {
                fields.report().error(item.place, "bad-form",
                                      "expected an event `30s: set A--B 10ms`, found " +
                                          std::string{kind_text(item.kind)});
            }
        }
        return;
    }
    if (!fields.is_map(events, "events:")) return;
    for (std::size_t i = 0; i < events.keys.size(); ++i) {
        read_event(events.keys[i], events.items[i], fields, draft);
    }
}

void read_extra_event(const std::string& text, const YamlFields& fields, ScenarioDraft& draft) {
    const std::uint32_t source = fields.report().add_source("--set", text);
    const auto colon = text.find(": ");
    if (colon == std::string::npos) {
        fields.report().error(Place{source, 1, 1}, "bad-event", "expected `30s: set A--B 10ms`");
        return;
    }
    const std::string_view all = text;
    const Word when = trimmed(Word{all.substr(0, colon), 0});
    const Word line = trimmed(Word{all.substr(colon + 2), colon + 2});
    EventDraft event;
    event.when = when.text;
    event.when_place = TextPlace{Place{source, 1, static_cast<int>(when.offset) + 1}, 0};
    event.line = line.text;
    event.line_place = TextPlace{Place{source, 1, static_cast<int>(line.offset) + 1}, 0};
    draft.events.push_back(std::move(event));
}

void read_events_file(const ReadOptions& options, const FileLoader& load, const YamlFields& fields,
                      ScenarioDraft& draft) {
    Report& report = fields.report();
    auto text = load(options.events_file);
    const std::uint32_t source =
        report.add_source(options.events_file, text ? std::move(*text) : std::string{});
    if (!text) {
        report.error(Place{source, 0, 0}, "unreadable", text.error().message);
        return;
    }
    auto document = parse_yaml(source, report);
    if (!document) return;
    const YamlNode* events = document->is_mapping() ? document->find("events") : nullptr;
    if (events == nullptr && document->is_mapping() && document->find("hosts") != nullptr) {
        report.error(document->place, "bad-form", "the file has no events:");
        return;
    }
    YamlNode chosen = events != nullptr ? *events : *document;
    substitute(chosen, options.variables, report);
    read_events(chosen, fields, draft);
}

bool is_expectation(std::string_view text) {
    text = trimmed(text);
    const auto open = text.find('(');
    if (open == std::string_view::npos || !valid_name(text.substr(0, open))) return false;
    int depth = 0;
    std::size_t close = open;
    for (; close < text.size(); ++close) {
        if (text[close] == '(') ++depth;
        if (text[close] == ')' && --depth == 0) break;
    }
    if (close >= text.size() || close == open + 1) return false;
    const std::vector<Word> words = split_words(text.substr(close + 1));
    constexpr std::array<std::string_view, 7> kComparisons{"~", "<", "<=", ">", ">=", "==", "!="};
    if (words.size() < 2 || std::ranges::find(kComparisons, words[0].text) == kComparisons.end()) {
        return false;
    }
    return words.size() == 2 ||
           (words.size() == 4 && (words[2].text == "±" || words[2].text == "+-"));
}

}  // namespace pleat
