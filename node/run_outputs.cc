#include "node/run_outputs.hh"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>

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

void send_outputs(const std::string& run_directory, const std::vector<HostResult>& hosts,
                  const std::function<void(const ControlMessage&)>& send, std::uint64_t most) {
    for (const HostResult& host : hosts) {
        const std::string path = run_directory + "/" + host.log;
        OutputChunk chunk{.host = host.host, .offset = 0, .bytes = {}};
        std::error_code missing;
        const std::uintmax_t size = std::filesystem::file_size(path, missing);
        std::uint64_t at = 0;
        if (!missing && size > most) {
            at = size - most;
            chunk.bytes =
                fmt::format("… {} bytes before this are in {} of the host's machine\n", at, path);
        }
        // Until there is no more: what is written meanwhile is of nobody's interest.
        for (bool first = true;; first = false) {
            const OutputPiece piece = missing ? OutputPiece{} : read_output(path, at);
            if (piece.bytes.empty() && !first) break;
            chunk.bytes += piece.bytes;
            at += piece.bytes.size();
            const std::uint64_t sent = chunk.bytes.size();
            send(chunk);
            chunk = OutputChunk{.host = host.host, .offset = chunk.offset + sent, .bytes = {}};
            if (piece.bytes.empty()) break;
        }
    }
}

}  // namespace pleat
