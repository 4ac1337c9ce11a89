// Reading of logs that other processes write: their end, and what is new in them.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/file_descriptor.hh"

namespace pleat {

// The last lines of a file, each behind "  | "; empty when there are none.
std::string log_tail(const std::string& path, std::size_t lines = 10);

// What a process has left to say about its end, to be put behind the news of it: the tail
// of its log; that there was no room to write one; or nothing.
std::string last_words(const std::string& log);

// Passes on what is appended to a file, from its beginning.
class LogFollower {
  public:
    LogFollower(std::string path, std::function<void(std::string_view)> sink);

    // Passes on what has come since the last call. The file need not be there yet.
    void poll();

  private:
    std::string path_;
    std::function<void(std::string_view)> sink_;
    FileDescriptor file_;
};

}  // namespace pleat
