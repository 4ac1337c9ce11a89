// Command lines: split by the quoting rules of a POSIX shell, without running one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hh"

namespace pleat {

// "sh -c 'echo a b'" is {"sh", "-c", "echo a b"}. Fails on a quote without an end. No
// variable, glob or operator means anything.
Result<std::vector<std::string>> split_shell(std::string_view text);

// The other way round.
std::string join_shell(const std::vector<std::string>& arguments);

// An operator ("|", ">") that stands alone and unquoted: whoever wrote it expects a shell.
bool has_shell_operator(std::string_view text);

// `$i` becomes the replica's number, `$name` the host's name, `$$` a dollar sign; any
// other `$` stays.
std::string with_replica(std::string_view text, std::string_view number, std::string_view name);

// A text from which with_replica() makes `text`.
std::string with_dollars_doubled(std::string_view text);

}  // namespace pleat
