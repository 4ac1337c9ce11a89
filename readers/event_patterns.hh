// Taking apart what stands behind the verb of an event's line: patterns, and the rest.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "readers/text_problem.hh"

namespace pleat {

// "A -- B" is "A--B": blanks around an arrow mean nothing. The offset of each character is
// kept, so that problems are placed right.
struct Squeezed {
    std::string text;
    std::vector<std::size_t> offsets;  // one more than characters

    explicit Squeezed(Word word);

    // Moves the problem from the squeezed text to that of the line.
    void place(TextProblem& problem) const;
};

// Patterns, separated by commas or blanks; within brackets these separate nothing.
struct Patterns {
    std::vector<Word> words;
    Word rest;
};

// `one_list`: a blank without a comma ends the list, and `rest` is what follows.
Patterns take_patterns(std::string_view text, bool one_list);

}  // namespace pleat
