#include "readers/text_problem.hh"

namespace pleat {

namespace {

constexpr std::string_view kBlanks = " \t\r\n";
constexpr std::size_t kLongestName = 200;

bool is_blank(char c) {
    return kBlanks.find(c) != std::string_view::npos;
}

bool is_word_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

}  // namespace

std::vector<Word> split_words(std::string_view text) {
    std::vector<Word> words;
    std::size_t begin = 0;
    int depth = 0;
    const auto finish = [&](std::size_t end) {
        if (end > begin) words.push_back(Word{text.substr(begin, end - begin), begin});
    };
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '(') ++depth;
        if (text[i] == ')' && depth > 0) --depth;
        if (depth == 0 && is_blank(text[i])) {
            finish(i);
            begin = i + 1;
        }
    }
    finish(text.size());
    return words;
}

Word trimmed(Word word) {
    while (!word.text.empty() && is_blank(word.text.front())) {
        word.text.remove_prefix(1);
        ++word.offset;
    }
    while (!word.text.empty() && is_blank(word.text.back())) word.text.remove_suffix(1);
    return word;
}

std::string_view trimmed(std::string_view text) {
    return trimmed(Word{text, 0}).text;
}

std::vector<Word> split_at(std::string_view text, char separator) {
    std::vector<Word> parts;
    std::size_t begin = 0;
    for (std::size_t i = 0; i <= text.size(); ++i) {
        if (i < text.size() && text[i] != separator) continue;
        parts.push_back(trimmed(Word{text.substr(begin, i - begin), begin}));
        begin = i + 1;
    }
    return parts;
}

// RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
std::size_t first_not_text(std::string_view text) {
    for (std::size_t i = 0; i < text.size();) {
        const auto byte = [&](std::size_t k) {
            return i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0U;
        };
        const unsigned lead = byte(0);
        std::size_t more = 0;
        if (lead == 0 || (lead >= 0x80 && lead < 0xc2) || lead > 0xf4) return i;
        if (lead >= 0xc2) more = 1;
        if (lead >= 0xe0) more = 2;
        if (lead >= 0xf0) more = 3;
        for (std::size_t k = 1; k <= more; ++k) {
            if ((byte(k) & 0xc0U) != 0x80U) return i;
        }
        const unsigned second = byte(1);
        if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second >= 0xa0) ||
            (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second >= 0x90)) {
            return i;
        }
        i += more + 1;
    }
    return std::string_view::npos;
}

bool valid_name(std::string_view name) {
    if (name.empty() || name.size() > kLongestName) return false;
    if (!is_word_character(name.front())) return false;
    for (std::size_t i = 0; i < name.size(); ++i) {
        if (is_word_character(name[i])) continue;
        const bool joins = name[i] == '-' || name[i] == '.';
        // ".." is a range and "--" a link.
        if (!joins || i + 1 == name.size() || name[i + 1] == name[i]) return false;
    }
    return true;
}

std::string in_one_sentence(const TextProblem& problem) {
    if (problem.suggest.empty()) return problem.message;
    return problem.message + "; did you mean '" + problem.suggest + "'?";
}

}  // namespace pleat
