#include "readers/report.hh"

#include <algorithm>
#include <utility>

#include "base/error.hh"

namespace pleat {

namespace {

// More than anyone reads; a broken file must not fill the memory.
constexpr std::size_t kMostProblems = 500;

int characters(std::string_view text) {
    return static_cast<int>(std::ranges::count_if(
        text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; }));
}

}  // namespace

std::uint32_t Report::add_source(std::string name, std::string text) {
    Source source{std::move(name), std::move(text), {0}};
    for (std::size_t i = 0; i < source.text.size(); ++i) {
        if (source.text[i] == '\n') source.lines.push_back(i + 1);
    }
    sources_.push_back(std::move(source));
    return static_cast<std::uint32_t>(sources_.size() - 1);
}

std::string_view Report::line(std::uint32_t source, int number) const {
    if (source >= sources_.size()) return {};
    const Source& it = sources_[source];
    if (number < 1 || static_cast<std::size_t>(number) > it.lines.size()) return {};
    const std::size_t begin = it.lines[static_cast<std::size_t>(number) - 1];
    std::string_view rest = std::string_view{it.text}.substr(begin);
    rest = rest.substr(0, rest.find('\n'));
    if (rest.ends_with('\r')) rest.remove_suffix(1);
    return rest;
}

Place Report::place(std::uint32_t source, std::size_t offset) const {
    const std::vector<std::size_t>& lines = sources_[source].lines;
    const auto after = std::ranges::upper_bound(lines, offset);
    return Place{source, static_cast<int>(after - lines.begin()),
                 static_cast<int>(offset - *(after - 1)) + 1};
}

int Report::column(Place place) const {
    const std::string_view text = line(place.source, place.line);
    const auto before = static_cast<std::size_t>(std::max(place.column - 1, 0));
    return characters(text.substr(0, before)) + 1;
}

std::string Report::where(Place place, Place from) const {
    std::string text =
        "line " + std::to_string(place.line) + ", column " + std::to_string(column(place));
    if (place.source != from.source) text = name(place.source) + ", " + text;
    return text;
}

void Report::error(Place place, std::string code, std::string message, std::string suggest) {
    ++errors_;
    add(Problem::Severity::error, place, std::move(code), std::move(message), std::move(suggest));
}

void Report::warning(Place place, std::string code, std::string message, std::string suggest) {
    add(Problem::Severity::warning, place, std::move(code), std::move(message), std::move(suggest));
}

void Report::note(Place place, std::string code, std::string message, std::string suggest) {
    add(Problem::Severity::note, place, std::move(code), std::move(message), std::move(suggest));
}

void Report::add(Problem::Severity severity, Place place, std::string code, std::string message,
                 std::string suggest) {
    // An error is never lost to notes that came first.
    if (problems_.size() >= kMostProblems &&
        (severity != Problem::Severity::error || errors_ > kMostProblems)) {
        return;
    }
    Problem problem;
    problem.file = place.source < sources_.size() ? sources_[place.source].name : std::string{};
    problem.line = place.line;
    problem.column = place.line > 0 ? column(place) : 0;
    problem.severity = severity;
    problem.code = std::move(code);
    problem.message = std::move(message);
    problem.suggest = std::move(suggest);
    problem.source_line = line(place.source, place.line);
    problems_.push_back(Entry{place, std::move(problem)});
}

std::vector<Problem> Report::problems() const {
    std::vector<const Entry*> order;
    order.reserve(problems_.size());
    for (const Entry& entry : problems_) order.push_back(&entry);
    std::ranges::sort(order, {}, [](const Entry* entry) { return std::pair{entry->place, entry}; });
    std::vector<Problem> result;
    for (const Entry* entry : order) {
        if (std::ranges::find(result, entry->problem) == result.end()) {
            result.push_back(entry->problem);
        }
    }
    return result;
}

}  // namespace pleat
