// Small files read and written whole, without streams.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/duration.hh"
#include "base/result.hh"

namespace pleat {

// The whole file, if it can be read; at most `limit` bytes of it.
std::optional<std::string> read_file(const std::string& path, std::size_t limit = 1U << 20U);

// The whole of a file that a user named, which may be anything: also a pipe, whose writer
// has `patience` for each piece. Says why not: "it is a directory".
Result<std::string> read_any_file(const std::string& path, std::size_t limit, Duration patience);

// One write() to an existing file such as one of /proc/sys. Says the path and the reason.
std::optional<Error> write_existing(const std::string& path, std::string_view content);

// Makes or replaces the file, readable by all users that can reach it. Throws.
void write_new_file(const std::string& path, std::string_view content);

// Makes or replaces a file that only this user can read, in one step. Throws.
void write_secret_file(const std::string& path, std::string_view content);

// Fails also when others could read or change it; the text says so.
Result<std::string> read_secret_file(const std::string& path);

// Mode 0700; parents are made, too. Fine when it is there. Throws.
void make_private_directory(const std::string& path);

}  // namespace pleat
