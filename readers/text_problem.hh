// TextProblem: what is wrong within a piece of text whose place in a file, if any, only
// the caller knows. And the splitting of such text into words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pleat {

struct TextProblem {
    std::size_t offset = 0;
    std::string code;
    std::string message;
    std::string suggest;
};

// A part of a text, and where in the text it begins.
struct Word {
    std::string_view text;
    std::size_t offset = 0;
};

// Split at blanks; blanks within round brackets do not count.
std::vector<Word> split_words(std::string_view text);

// Split at `separator`, each part without blanks around it; empty parts are kept.
std::vector<Word> split_at(std::string_view text, char separator);

// Without blanks around it.
Word trimmed(Word word);
std::string_view trimmed(std::string_view text);

// The offset of the first byte that is not UTF-8 text (or is 0); npos when all is.
std::size_t first_not_text(std::string_view text);

// A name of a host, bridge, link, group, tag or variable: letters, digits, '_', '.' and
// single '-', beginning with a letter, digit or '_', not ending with '-' or '.'.
bool valid_name(std::string_view name);

inline constexpr std::string_view kNameForm =
    "a name has letters, digits, '_', '.' and single '-', and begins with a letter, digit or '_'";

// The message for one person: "…; did you mean 's1'?"
std::string in_one_sentence(const TextProblem& problem);

}  // namespace pleat
