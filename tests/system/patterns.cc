#include "tests/system/patterns.hh"

#include <regex>

namespace pleat::system_test {

std::vector<std::vector<std::string>> matches(const std::string& text, const std::string& pattern) {
    const std::regex expression{pattern};
    std::vector<std::vector<std::string>> found;
    for (auto it = std::sregex_iterator{text.begin(), text.end(), expression};
         it != std::sregex_iterator{}; ++it) {
        found.emplace_back(it->begin(), it->end());
    }
    return found;
}

}  // namespace pleat::system_test
