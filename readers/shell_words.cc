#include "readers/shell_words.hh"

#include <algorithm>
#include <array>

namespace pleat {

namespace {

bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool is_word_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

}  // namespace

Result<std::vector<std::string>> split_shell(std::string_view text) {
    std::vector<std::string> words;
    std::string word;
    bool in_word = false;
    char quote = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (quote == '\'') {
            if (c == quote) {
                quote = 0;
            } else {
                word += c;
            }
        } else if (quote == '"') {
            const bool escape =
                c == '\\' && i + 1 < text.size() &&
                std::string_view{"\"\\$`\n"}.find(text[i + 1]) != std::string_view::npos;
            if (c == quote) {
                quote = 0;
            } else if (escape) {
                ++i;
                if (text[i] != '\n') word += text[i];
            } else {
                word += c;
            }
        } else if (is_blank(c)) {
            if (in_word) words.push_back(std::exchange(word, {}));
            in_word = false;
        } else {
            in_word = true;
            if (c == '\'' || c == '"') {
                quote = c;
            } else if (c == '\\') {
                if (i + 1 == text.size()) return fail("a backslash stands at the end");
                ++i;
                if (text[i] != '\n') word += text[i];
            } else {
                word += c;
            }
        }
    }
    if (quote != 0) return fail(std::string{"the quote "} + quote + " has no end");
    if (in_word) words.push_back(std::move(word));
    return words;
}

std::string join_shell(const std::vector<std::string>& arguments) {
    std::string text;
    for (const std::string& argument : arguments) {
        if (!text.empty()) text += ' ';
        const bool plain = !argument.empty() && std::ranges::all_of(argument, [](char c) {
            return is_word_character(c) ||
                   std::string_view{"-./:=,@%+[]^~$#"}.find(c) != std::string_view::npos;
        });
        if (plain) {
            text += argument;
            continue;
        }
        text += '\'';
        for (const char c : argument) {
            if (c == '\'') {
                text += "'\\''";
            } else {
                text += c;
            }
        }
        text += '\'';
    }
    return text;
}

bool has_shell_operator(std::string_view text) {
    constexpr std::array<std::string_view, 10> kOperators{"|", "||", "&", "&&", ";",
                                                          ">", ">>", "<", "2>", "2>&1"};
    std::size_t begin = 0;
    bool quoted = false;
    for (std::size_t i = 0; i <= text.size(); ++i) {
        if (i < text.size() && (text[i] == '\'' || text[i] == '"')) quoted = !quoted;
        if (i < text.size() && !is_blank(text[i])) continue;
        const std::string_view word = text.substr(begin, i - begin);
        if (!quoted && std::ranges::find(kOperators, word) != kOperators.end()) return true;
        begin = i + 1;
    }
    return false;
}

std::string with_replica(std::string_view text, std::string_view number, std::string_view name) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '$') {
            result += text[i];
            continue;
        }
        if (i + 1 < text.size() && text[i + 1] == '$') {
            result += '$';
            ++i;
            continue;
        }
        std::size_t end = i + 1;
        while (end < text.size() && is_word_character(text[end])) ++end;
        const std::string_view variable = text.substr(i + 1, end - i - 1);
        if (variable == "i") {
            result += number;
        } else if (variable == "name") {
            result += name;
        } else {
            result += text.substr(i, end - i);
        }
        i = end - 1;
    }
    return result;
}

std::string with_dollars_doubled(std::string_view text) {
    std::string result;
    for (const char c : text) {
        result += c;
        if (c == '$') result += '$';
    }
    return result;
}

}  // namespace pleat
