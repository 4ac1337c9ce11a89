// Reading of logs that other processes write: their end.
#pragma once

#include <cstddef>
#include <string>

namespace pleat {

// The last lines of a file, each behind "  | "; empty when there are none.
std::string log_tail(const std::string& path, std::size_t lines = 10);

// What a process has left to say about its end, to be put behind the news of it: the tail
// of its log; that there was no room to write one; or nothing.
std::string last_words(const std::string& log);

}  // namespace pleat
