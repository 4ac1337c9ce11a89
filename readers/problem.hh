// Problem: something that a reader has to say about a file, and where.
#pragma once

#include <string>

namespace pleat {

struct Problem {
    enum class Severity { error, warning, note };

    std::string file;
    int line = 0;    // from 1; 0: the file as a whole
    int column = 0;  // in characters, from 1
    Severity severity = Severity::error;
    std::string code;     // short and stable: "unknown-key"
    std::string message;  // one sentence
    std::string suggest;  // what was probably meant, ready to be written there
    std::string source_line;

    friend bool operator==(const Problem&, const Problem&) = default;
};

// "error", "warning" or "note".
const char* severity_text(Problem::Severity severity);

// As compilers print it: file:line:column: error: message, the source line, a caret
// below the place, and "help: did you mean 's1'?".
std::string render(const Problem& problem, bool colour);

}  // namespace pleat
