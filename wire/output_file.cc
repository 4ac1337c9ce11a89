#include "wire/output_file.hh"

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace pleat {

namespace {

constexpr std::uint64_t kPieceBytes = std::uint64_t{1} << 20;

}  // namespace

OutputPiece read_output(const std::string& path, std::uint64_t offset) {
    OutputPiece piece;
    piece.offset = offset;
    std::error_code missing;
    const std::uintmax_t size = std::filesystem::file_size(path, missing);
    if (missing) return piece;
    piece.size = size;
    if (offset >= size) return piece;
    piece.bytes.resize(std::min<std::uint64_t>(size - offset, kPieceBytes));
    std::ifstream file{path, std::ios::binary};
    file.seekg(static_cast<std::streamoff>(offset));
    file.read(piece.bytes.data(), static_cast<std::streamsize>(piece.bytes.size()));
    piece.bytes.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
    return piece;
}

}  // namespace pleat
