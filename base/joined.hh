// joined: the texts of a range, one after the other. fmt::join costs each file that uses it half a
// second of the compiler's time.
#pragma once

#include <string>
#include <string_view>

namespace pleat {

template <typename Texts>
std::string joined(const Texts& texts, std::string_view between) {
    std::string all;
    bool is_first = true;
    for (const auto& text : texts) {
        if (!is_first) all += between;
        all += text;
        is_first = false;
    }
    return all;
}

}  // namespace pleat
