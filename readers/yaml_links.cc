#include "readers/yaml_links.hh"

#include <algorithm>

#include "readers/replica_set.hh"

namespace pleat {

namespace {

void complain(const YamlNode& node, const std::vector<TextProblem>& problems, Report& report) {
    for (const TextProblem& problem : problems) {
        report.error(node.at(problem.offset), problem.code, problem.message, problem.suggest);
    }
}

// "A -- B" and where its ends stand.
struct LinkKey {
    Word from;
    Word to;
    bool two_way = true;
};

std::optional<LinkKey> split_link(std::string_view text) {
    const std::size_t both = text.find("--");
    const std::size_t one = text.find("->");
    const std::size_t arrow = std::min(both, one);
    if (arrow == std::string_view::npos) return std::nullopt;
    LinkKey key;
    key.two_way = both < one;
    key.from = trimmed(Word{text.substr(0, arrow), 0});
    key.to = trimmed(Word{text.substr(arrow + 2), arrow + 2});
    return key;
}

// Is it the name of a point, perhaps with brackets? `@outside` is made on the way.
bool end_ok(Word& end, const YamlNode& key, const YamlFields& fields, ScenarioDraft& draft) {
    if (end.text == "@outside") {
        end.text = kOutsideName;
        const bool known = std::ranges::any_of(
            draft.hosts, [](const HostDraft& host) { return host.name == kOutsideName; });
        if (!known) {
            HostDraft outside;
            outside.name = kOutsideName;
            outside.place = key.at(end.offset);
            outside.outside = true;
            draft.hosts.push_back(std::move(outside));
        }
        return true;
    }
    if (end.text.empty()) {
        fields.report().error(key.at(end.offset), "bad-link",
                              "a link has two ends; expected `A -- B` or `A -> B`");
        return false;
    }
    return fields.name_ok(split_brackets(end.text).base, key.at(end.offset), "the end of a link");
}

void read_link(const YamlNode& key, const YamlNode& value, const LinkProperties& defaults,
               const YamlFields& fields, ScenarioDraft& draft) {
    auto ends = split_link(key.text);
    if (!ends) {
        fields.report().error(
            key.place, "bad-link",
            "'" + key.text + "' is no link; expected `A -- B: 5ms 10Mbps` or `A -> B: …`");
        return;
    }
    const bool good_ends =
        end_ok(ends->from, key, fields, draft) && end_ok(ends->to, key, fields, draft);
    const LinkWords words = read_yaml_link_words(
        value, ends->two_way ? LinkWordsFor::two_way : LinkWordsFor::one_way, fields);
    if (!good_ends) return;
    LinkDraft link = link_of(words, defaults);
    link.from = ends->from.text;
    link.to = ends->to.text;
    link.from_place = key.at(ends->from.offset);
    link.to_place = key.at(ends->to.offset);
    link.two_way = ends->two_way;
    if (!words.shared_by.empty()) {
        link.shared_from = split_brackets(link.from).base == words.shared_by;
        link.shared_to = split_brackets(link.to).base == words.shared_by;
        if (!link.shared_from && !link.shared_to) {
            fields.report().error(
                value.place, "unknown-name",
                "shared=" + words.shared_by + ": expected one of the link's ends");
        }
    }
    draft.links.push_back(std::move(link));
}

}  // namespace

LinkDraft link_of(const LinkWords& words, const LinkProperties& defaults) {
    LinkDraft link;
    link.forward = merged(defaults, words.patch);
    link.backward = link.forward;
    if (words.up) link.forward.bandwidth = *words.up;
    if (words.down) link.backward.bandwidth = *words.down;
    link.name = words.name;
    link.tags = words.tags;
    link.shared_from = words.shared;
    link.shared_to = words.shared;
    link.up = !words.is_down;
    link.trace = words.trace;
    return link;
}

LinkWords read_yaml_link_words(const YamlNode& value, LinkWordsFor where,
                               const YamlFields& fields) {
    LinkWordsReader reader{where};
    if (value.is_scalar()) {
        for (const Word word : split_words(value.text)) reader.word(word);
        complain(value, reader.take_problems(), fields.report());
    } else if (value.is_mapping()) {
        for (std::size_t i = 0; i < value.keys.size(); ++i) {
            const YamlNode& key = value.keys[i];
            const YamlNode& item = value.items[i];
            if (is_extension(key.text)) continue;
            std::string text = item.text;
            if (key.text == "tags" && item.is_sequence()) {
                for (const YamlNode& tag : item.items) text += (text.empty() ? "" : ",") + tag.text;
            } else if (!item.is_scalar()) {
                fields.text(item, key.text + ":");
                continue;
            }
            reader.entry(key.text, text);
            auto problems = reader.take_problems();
            const bool of_key = !problems.empty() && (problems[0].code == "unknown-key" ||
                                                      problems[0].code == "not-here");
            complain(of_key ? key : item, problems, fields.report());
        }
    } else if (!value.is_null()) {
        fields.report().error(value.place, "bad-form",
                              "a link has words such as 5ms 10Mbps, or a map; found a list");
    }
    const LinkWords& words = reader.words();
    if (words.patch.bandwidth && (words.up || words.down)) {
        fields.report().error(
            value.place, "given-twice",
            "the bandwidth is given for both directions and again by up= or down=");
    }
    return words;
}

void read_links(const YamlNode& links, const LinkProperties& defaults, const YamlFields& fields,
                ScenarioDraft& draft) {
    if (links.is_null()) return;
    if (links.is_sequence()) {
        for (const YamlNode& item : links.items) {
            if (item.is_scalar()) {
                read_link(item, YamlNode{}, defaults, fields, draft);
            } else if (item.is_mapping()) {
                read_links(item, defaults, fields, draft);
            } else {
                fields.report().error(item.place, "bad-form",
                                      std::string{"expected a link `A -- B: 5ms 10Mbps`, found "} +
                                          kind_text(item.kind));
            }
        }
        return;
    }
    if (!fields.is_map(links, "links:")) return;
    for (std::size_t i = 0; i < links.keys.size(); ++i) {
        read_link(links.keys[i], links.items[i], defaults, fields, draft);
    }
}

}  // namespace pleat
