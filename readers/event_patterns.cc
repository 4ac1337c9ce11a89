#include "readers/event_patterns.hh"

#include <algorithm>

namespace pleat {

namespace {

bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool is_arrow(std::string_view text) {
    return text == "--" || text == "->";
}

}  // namespace

Squeezed::Squeezed(Word word) {
    for (std::size_t i = 0; i < word.text.size(); ++i) {
        if (is_blank(word.text[i])) {
            const std::string_view rest = word.text.substr(i);
            const auto next = std::ranges::find_if_not(rest, is_blank) - rest.begin();
            const bool before = is_arrow(rest.substr(static_cast<std::size_t>(next)).substr(0, 2));
            const bool after = text.ends_with("--") || text.ends_with("->");
            if (before || after) continue;
        }
        text += word.text[i];
        offsets.push_back(word.offset + i);
    }
    offsets.push_back(word.offset + word.text.size());
}

void Squeezed::place(TextProblem& problem) const {
    problem.offset = offsets[std::min(problem.offset, offsets.size() - 1)];
}

Patterns take_patterns(std::string_view text, bool one_list) {
    Patterns result;
    std::size_t i = 0;
    bool comma = true;
    while (i < text.size()) {
        if (is_blank(text[i])) {
            ++i;
            continue;
        }
        if (text[i] == ',') {
            comma = true;
            ++i;
            continue;
        }
        if (one_list && !comma) break;
        const std::size_t begin = i;
        int depth = 0;
        for (; i < text.size(); ++i) {
            if (text[i] == '[') ++depth;
            if (text[i] == ']') --depth;
            if (depth <= 0 && (text[i] == ',' || is_blank(text[i]))) break;
        }
        result.words.push_back(Word{text.substr(begin, i - begin), begin});
        comma = false;
    }
    result.rest = Word{text.substr(i), i};
    return result;
}

}  // namespace pleat
