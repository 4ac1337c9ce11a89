#include "node/run_outputs.hh"

#include <filesystem>

#include <fmt/format.h>

#include "wire/output_file.hh"

namespace pleat {

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
