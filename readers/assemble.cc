// From a draft to a Scenario: topology, then who runs there, then what happens.
#include <algorithm>

#include <fmt/format.h>

#include "model/addressing.hh"
#include "readers/application_draft.hh"
#include "readers/contradictions.hh"
#include "readers/event_times.hh"
#include "readers/scenario_draft.hh"
#include "readers/topology_draft.hh"
#include "readers/unit_text.hh"

namespace pleat {

namespace {

class Assembler {
  public:
    Assembler(ScenarioDraft draft, std::uint32_t source, Report& report)
        : draft_{std::move(draft)}, source_{source}, report_{&report} {}

    std::optional<Scenario> assemble() {
        const Place file{source_, 0, 0};
        if (draft_.hosts.empty() && !draft_.incomplete && report_->errors() == 0) {
            report_->error(file, "no-hosts",
                           "the topology has no hosts; expected hosts: {NAME: {…}}");
        }
        auto expanded = expand_topology(draft_, source_, *report_);
        if (!expanded) return std::nullopt;
        scenario_.topology = std::move(expanded->topology);

        resolve_groups();
        Selector names{scenario_.topology, scenario_.groups};
        scenario_.applications = make_applications(draft_, names, *report_);
        scenario_.not_yet = std::move(draft_.not_yet);
        scenario_.not_yet.insert(scenario_.not_yet.end(), expanded->traces.begin(),
                                 expanded->traces.end());
        add_events(names);
        check_addresses();

        scenario_.name = std::move(draft_.name);
        scenario_.seed = draft_.seed;
        scenario_.duration = draft_.duration;
        scenario_.routing = draft_.routing;
        scenario_.expectations = std::move(draft_.expectations);
        // The order of a file's lines never matters.
        std::ranges::sort(scenario_.expectations);
        std::ranges::sort(scenario_.not_yet);
        if (report_->errors() > 0) return std::nullopt;
        return std::move(scenario_);
    }

  private:
    void resolve_groups() {
        const Groups none;
        Selector names{scenario_.topology, none};
        for (const GroupDraft& group : draft_.groups) {
            const bool taken = scenario_.groups.contains(group.name) ||
                               names.points(Word{group.name, 0}).has_value();
            if (taken) {
                report_->error(group.place, "duplicate-name",
                               "the name '" + group.name + "' is taken");
                continue;
            }
            std::vector<VertexId> members;
            for (const auto& [pattern, place] : group.members) {
                const auto points = names.points(Word{pattern, 0});
                if (!points) {
                    report_unknown(draft_, place, points.error().message, points.error().suggest,
                                   *report_);
                    continue;
                }
                members.insert(members.end(), points->begin(), points->end());
            }
            std::ranges::sort(members);
            const auto rest = std::ranges::unique(members);
            members.erase(rest.begin(), rest.end());
            scenario_.groups.emplace(group.name, std::move(members));
        }
    }

    void add_events(Selector& names) {
        std::optional<ExperimentTime> end;
        if (draft_.duration) end = ExperimentTime{*draft_.duration};
        TimelineDraft timeline;
        std::vector<std::uint32_t> lines;  // of each of its events
        for (const EventDraft& event : draft_.events) {
            const auto when = parse_when(event.when);
            if (!when) {
                complain(event.when_place, when.error());
            } else if (end && when->last() > *end) {
                report_->error(event.when_place.at(0), "event-after-end",
                               "'" + event.when + "' would never happen: the run ends at " +
                                   to_text(*draft_.duration));
            }
            const auto line = parse_event_words(event.line, names);
            if (!line) {
                complain(event.line_place, line.error());
                continue;
            }
            if (!when) continue;
            if (const auto* not_yet = std::get_if<NotYet>(&*line)) {
                scenario_.not_yet.push_back("event " + when_text(*when) + ": " + not_yet->text);
                continue;
            }
            const auto problem = timeline.add(*line, *when, scenario_.topology, end, draft_.seed);
            if (problem) {
                complain(event.line_place, *problem);
                if (problem->code == "limit") return;
            }
            const auto line_number = static_cast<std::uint32_t>(&event - draft_.events.data());
            lines.resize(timeline.events().size(), line_number);
        }
        warn_of_contradictions(timeline.events(), lines);
        scenario_.timeline = canonical(std::move(timeline).finish());
    }

    void warn_of_contradictions(std::span<const TimedEvent> events,
                                std::span<const std::uint32_t> lines) {
        for (const Contradiction& one : find_contradictions(events, lines)) {
            Place later = draft_.events[one.line].line_place.at(0);
            Place earlier = draft_.events[one.other].line_place.at(0);
            std::string text = one.text;
            std::string other_text = one.other_text;
            if (later < earlier) {  // of events given beside the file
                std::swap(later, earlier);
                std::swap(text, other_text);
            }
            report_->warning(
                later, "contradiction",
                fmt::format("at {} '{}' and '{}' ({}) differ in one field, {}; which of them "
                            "holds does not depend on their order",
                            to_text(one.at.time_since_epoch()), text, other_text,
                            report_->where(earlier, later), one.field));
        }
    }

    void complain(const TextPlace& where, const TextProblem& problem) {
        if (problem.code.starts_with("unknown-") && problem.code != "unknown-action") {
            if (draft_.incomplete) {
                return report_unknown(draft_, where.at(problem.offset), problem.message, {},
                                      *report_);
            }
        }
        report_->error(where.at(problem.offset), problem.code, problem.message, problem.suggest);
    }

    void check_addresses() {
        if (draft_.addresses) scenario_.addresses = *draft_.addresses;
        const auto plan =
            parse_address_plan(scenario_.addresses, scenario_.topology.hosts().size());
        if (!plan) report_->error(draft_.addresses_place, "bad-value", plan.error().message);
    }

    ScenarioDraft draft_;
    std::uint32_t source_;
    Report* report_;
    Scenario scenario_;
};

}  // namespace

std::optional<Scenario> assemble(ScenarioDraft draft, std::uint32_t source, Report& report) {
    return Assembler{std::move(draft), source, report}.assemble();
}

}  // namespace pleat
