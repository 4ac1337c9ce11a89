#include "readers/problem.hh"

namespace pleat {

namespace {

// Longer lines are cut around the place, so that the caret stays in sight.
constexpr std::size_t kWidest = 120;

struct Colours {
    const char* severity;
    const char* bold;
    const char* help;
    const char* off;
};

Colours colours(Problem::Severity severity, bool colour) {
    if (!colour) return {"", "", "", ""};
    const char* tone = "\033[1;36m";
    if (severity == Problem::Severity::error) tone = "\033[1;31m";
    if (severity == Problem::Severity::warning) tone = "\033[1;33m";
    return {tone, "\033[1m", "\033[32m", "\033[0m"};
}

bool continues_character(char c) {
    return (static_cast<unsigned char>(c) & 0xc0U) == 0x80U;
}

// What stands in front of the caret: as wide as the text in front of the place, with its
// tabs, so that a terminal puts the caret under it.
std::string indent_like(std::string_view text) {
    std::string indent;
    for (const char c : text) {
        if (c == '\t') indent += '\t';
        if (c != '\t' && !continues_character(c)) indent += ' ';
    }
    return indent;
}

// A terminal must not obey what a file says.
std::string printable(std::string_view text) {
    std::string result;
    for (const char c : text) {
        const bool control = (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
        result += control ? '?' : c;
    }
    return result;
}

std::size_t bytes_of(std::string_view line, int characters) {
    std::size_t at = 0;
    for (int i = 0; i < characters && at < line.size(); ++i) {
        ++at;
        while (at < line.size() && continues_character(line[at])) ++at;
    }
    return at;
}

}  // namespace

const char* severity_text(Problem::Severity severity) {
    switch (severity) {
        case Problem::Severity::error:
            return "error";
        case Problem::Severity::warning:
            return "warning";
        case Problem::Severity::note:
            return "note";
    }
    return "";
}

std::string render(const Problem& problem, bool colour) {
    const Colours tint = colours(problem.severity, colour);
    std::string text = tint.bold + printable(problem.file);
    if (problem.line > 0) {
        text += ":" + std::to_string(problem.line) + ":" + std::to_string(problem.column);
    }
    text += std::string{": "} + tint.off + tint.severity + severity_text(problem.severity) +
            tint.off + ": " + printable(problem.message) + "\n";
    if (problem.line > 0) {
        const std::string_view line = problem.source_line;
        const std::size_t at = bytes_of(line, problem.column - 1);
        const std::size_t from = at > kWidest / 2 && line.size() > kWidest ? at - kWidest / 2 : 0;
        const std::string_view shown = line.substr(from, kWidest);
        const std::string number = std::to_string(problem.line);
        text += "  " + number + " | " + printable(shown) + "\n";
        text += "  " + std::string(number.size(), ' ') + " | " +
                indent_like(line.substr(from, at - from)) + tint.severity + "^" + tint.off + "\n";
    }
    if (!problem.suggest.empty()) {
        text += std::string{"  "} + tint.help + "help" + tint.off + ": did you mean '" +
                printable(problem.suggest) + "'?\n";
    }
    return text;
}

}  // namespace pleat
