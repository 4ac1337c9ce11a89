// What a host has written, piece by piece.
#pragma once

#include <string>

#include "wire/messages.hh"

namespace pleat {

// At most 1 MB from `offset` on; nothing when there is no such file.
OutputPiece read_output(const std::string& path, std::uint64_t offset);

}  // namespace pleat
