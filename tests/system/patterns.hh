// Looks for regular expressions in what programs have written. Here because <regex> costs each
// file that includes it seconds of the compiler's time.
#pragma once

#include <string>
#include <vector>

namespace pleat::system_test {

// The groups of each match, in order; group 0 is all of it. ECMAScript.
std::vector<std::vector<std::string>> matches(const std::string& text, const std::string& pattern);

}  // namespace pleat::system_test
