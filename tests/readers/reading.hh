// What the tests of the readers share: small files, and the one problem that one has.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <string_view>

#include <catch2/catch.hpp>

#include "readers/read_scenario.hh"

namespace pleat::testing {

inline Result<std::string> no_files(const std::string& path) {
    return fail("there is no file '" + path + "'");
}

inline ReadOutcome read(std::string_view text, const ReadOptions& options = {}) {
    return read_yaml(text, "test.yaml", options, no_files);
}

// Two hosts and a bridge, for what stands behind it to work on.
inline std::string small(std::string_view more = {}) {
    return std::string{
               "hosts: {a: , b: , c: {replicas: 3}}\n"
               "bridges: [s1, s2]\n"
               "links:\n"
               "  - a -- s1: 5ms 100Mbps\n"
               "  - b -- s2: 5ms 100Mbps\n"
               "  - c -- s1: 1ms 10Mbps\n"
               "  - s1 -- s2: 10ms 60Mbps\n"} +
           std::string{more};
}

inline constexpr int kSmallLines = 7;

// The scenario of a text that must be good; says why when it is not.
inline Scenario scenario_of(std::string_view text, const ReadOptions& options = {}) {
    ReadOutcome outcome = read(text, options);
    for (const Problem& problem : outcome.problems) UNSCOPED_INFO(render(problem, false));
    REQUIRE(outcome.ok());
    return std::move(*outcome.scenario);
}

// The only error of a text that must be bad.
inline Problem error_of(std::string_view text) {
    const ReadOutcome outcome = read(text);
    for (const Problem& problem : outcome.problems) UNSCOPED_INFO(render(problem, false));
    CHECK_FALSE(outcome.ok());
    std::vector<Problem> errors;
    for (const Problem& problem : outcome.problems) {
        if (problem.severity == Problem::Severity::error) errors.push_back(problem);
    }
    REQUIRE(errors.size() == 1);
    return errors.front();
}

// Where and what: "3:5 unknown-name".
inline std::string at(const Problem& problem) {
    return std::to_string(problem.line) + ":" + std::to_string(problem.column) + " " + problem.code;
}

inline const Link& link_of(const Scenario& scenario, std::string_view label) {
    for (std::uint32_t i = 0; i < scenario.topology.links().size(); ++i) {
        if (scenario.topology.label(LinkId{i}) == label) return scenario.topology.link(LinkId{i});
    }
    FAIL("no link " << label);
    return scenario.topology.link(LinkId{0});
}

inline const Application& application_of(const Scenario& scenario, std::string_view host) {
    const auto id = scenario.topology.find_host(host);
    REQUIRE(id);
    return scenario.applications[id->value];
}

// "10s set a--s1 10ms", one a line and direction; "10s+" and "20s-" where an overlay
// begins and ends.
inline std::vector<std::string> lines_of(const std::vector<TimedEvent>& timeline) {
    std::vector<std::string> lines;
    for (const TimedEvent& event : timeline) {
        const auto ms =
            std::chrono::duration_cast<std::chrono::milliseconds>(event.at.time_since_epoch());
        std::string line = std::to_string(ms.count()) + "ms";
        if (event.phase == Phase::begin) line += "+";
        if (event.phase == Phase::end) line += "-";
        line += " " + event.text;
        if (std::ranges::find(lines, line) == lines.end()) lines.push_back(line);
    }
    return lines;
}

using Lines = std::vector<std::string>;

}  // namespace pleat::testing
