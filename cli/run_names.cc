#include "cli/run_names.hh"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>

#include <fmt/format.h>

#include "base/joined.hh"
#include "readers/unit_text.hh"

namespace pleat {
namespace {

tl::unexpected<LinkFailure> failure(ExitCode code, std::string message) {
    return tl::unexpected{LinkFailure{.code = code, .message = std::move(message)}};
}

// The latest few: a controller may know thousands.
std::string list(std::span<const std::string> names, std::string_view before_last) {
    constexpr std::size_t kMost = 8;
    const std::size_t left_out = names.size() - std::min(names.size(), kMost);
    const std::string text = joined(names.subspan(left_out), std::string{before_last});
    return left_out == 0 ? text : fmt::format("{} ({} older ones not listed)", text, left_out);
}

// Of "@", "@~" and "@~2": how many before the latest.
std::optional<std::size_t> steps_back(std::string_view wanted) {
    if (wanted == "@") return 0;
    if (!wanted.starts_with("@~")) return {};
    const std::string_view number = wanted.substr(2);
    if (number.empty()) return 1;
    const auto steps =
        parse_whole(number, "a number of runs", 0, std::numeric_limits<std::int32_t>::max());
    if (!steps) return {};
    return static_cast<std::size_t>(*steps);
}

}  // namespace

tl::expected<std::string, LinkFailure> choose_run(const std::vector<std::string>& names,
                                                  const std::string& wanted,
                                                  const std::string& of) {
    if (names.empty()) return failure(ExitCode::not_found, "there is no run" + of);
    if (wanted.empty()) {
        if (names.size() == 1) return names.front();
        return failure(ExitCode::usage, fmt::format("several runs are{}: {}; name one with --run",
                                                    of, list(names, ", ")));
    }
    if (const auto steps = steps_back(wanted)) {
        if (*steps < names.size()) return names[names.size() - 1 - *steps];
        return failure(ExitCode::not_found,
                       fmt::format("there is no run {}{}: there {} only {}", wanted, of,
                                   names.size() == 1 ? "is" : "are", names.size()));
    }
    if (wanted.starts_with('@')) {
        return failure(ExitCode::usage,
                       fmt::format("'{}' is no name of a run: expected its id, a beginning of it, "
                                   "@ (the latest) or @~1 (the one before)",
                                   wanted));
    }
    std::vector<std::string> matching;
    for (const std::string& name : names) {
        if (name == wanted) return name;
        if (name.starts_with(wanted)) matching.push_back(name);
    }
    if (matching.size() == 1) return matching.front();
    if (matching.empty()) {
        return failure(ExitCode::not_found,
                       fmt::format("there is no run {}{}; there {} {}", wanted, of,
                                   names.size() == 1 ? "is" : "are", list(names, ", ")));
    }
    return failure(ExitCode::usage, fmt::format("{} may be {}: give more of its name", wanted,
                                                list(matching, " or ")));
}

tl::expected<RunInfo, LinkFailure> find_run(ControllerLink& link, const std::string& wanted) {
    const auto runs = link.ask<Runs>(ListRuns{});
    if (!runs) return tl::unexpected{runs.error()};
    std::vector<std::string> names;
    names.reserve(runs->runs.size());
    for (const RunInfo& run : runs->runs) names.push_back(run.run);
    const auto chosen = choose_run(names, wanted.empty() ? "@" : wanted, " on this controller");
    if (!chosen) return tl::unexpected{chosen.error()};
    return *std::ranges::find(runs->runs, *chosen, &RunInfo::run);
}

}  // namespace pleat
