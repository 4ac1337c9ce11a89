#include "readers/read_scenario.hh"

#include <algorithm>

#include "base/files.hh"
#include "readers/event_times.hh"
#include "readers/link_words.hh"
#include "readers/yaml_links.hh"

namespace pleat {

namespace {

constexpr std::size_t kLargestFile = std::size_t{256} << 20U;
// For the other end of a pipe to write.
constexpr Duration kPatience = std::chrono::seconds{5};

// The first character that says something: XML begins with '<', YAML never does.
bool is_xml(std::string_view text) {
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
    const auto first = text.find_first_not_of(" \t\r\n");
    return first != std::string_view::npos && text[first] == '<';
}

}  // namespace

Result<std::string> load_file(const std::string& path) {
    auto text = read_any_file(path, kLargestFile, kPatience);
    if (!text) return fail("can't read '" + path + "': " + text.error().message);
    return text;
}

ReadOutcome read_scenario(const std::filesystem::path& file, const ReadOptions& options) {
    const std::string name = file.string();
    const auto text = load_file(name);
    if (!text) {
        ReadOutcome outcome;
        Problem problem;
        problem.file = name;
        problem.code = "unreadable";
        problem.message = text.error().message;
        outcome.problems.push_back(std::move(problem));
        return outcome;
    }
    return is_xml(*text) ? read_kollaps(*text, name, options) : read_yaml(*text, name, options);
}

Result<Scenario> read_link_spec(std::string_view spec) {
    std::vector<TextProblem> problems;
    const LinkWords words = read_link_words(spec, LinkWordsFor::two_way, problems);
    if (!problems.empty()) return fail(in_one_sentence(problems.front()));
    if (words.shared || !words.name.empty() || !words.trace.empty()) {
        return fail("a shell has one link: shared, name= and trace= mean nothing here");
    }
    const LinkDraft link = link_of(words, LinkProperties{});
    TopologyBuilder builder;
    for (const char* name : {"outside", "shell"}) {
        builder.add(Host{name, name, 0, false, {}});
    }
    builder.add_link("shell", "outside", link.forward, "", link.tags, link.up);
    builder.add_link("outside", "shell", link.backward, "", link.tags, link.up);
    auto topology = std::move(builder).build();
    if (!topology) return tl::unexpected{topology.error()};

    Scenario scenario;
    scenario.name = "shell";
    scenario.topology = std::move(*topology);
    scenario.applications.resize(2);
    scenario.applications[scenario.topology.find_host("outside")->value].outside = true;
    return scenario;
}

Result<std::vector<TimedEvent>> parse_event_line(std::string_view line, const Scenario& scenario,
                                                 ExperimentTime at) {
    Selector names{scenario.topology, scenario.groups};
    const auto parsed = parse_event_words(line, names);
    if (!parsed) return fail(in_one_sentence(parsed.error()));
    if (std::holds_alternative<NotYet>(*parsed)) return fail("`trace` is not yet possible");

    std::uint32_t overlay = 0;
    for (const TimedEvent& event : scenario.timeline) overlay = std::max(overlay, event.overlay);
    TimelineDraft timeline{overlay + 1};
    When when;
    when.from = at;
    const auto problem =
        timeline.add(*parsed, when, scenario.topology, std::nullopt, scenario.seed);
    if (problem) return fail(in_one_sentence(*problem));
    return std::move(timeline).finish();
}

}  // namespace pleat
