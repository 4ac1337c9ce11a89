// Small files read and written whole, without streams.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hh"

namespace pleat {

// The whole file, if it can be read; at most `limit` bytes of it.
std::optional<std::string> read_file(const std::string& path, std::size_t limit = 1U << 20U);

// One write() to an existing file such as one of /proc/sys. Says the path and the reason.
std::optional<Error> write_existing(const std::string& path, std::string_view content);

// Makes or replaces the file, readable by all users that can reach it. Throws.
void write_new_file(const std::string& path, std::string_view content);

}  // namespace pleat
