#include "node/ended_run.hh"

#include <filesystem>
#include <fstream>
#include <variant>

#include "base/files.hh"
#include "node/run_outputs.hh"
#include "wire/codec.hh"

namespace pleat {

namespace {

constexpr std::size_t kLogChunkBytes = std::size_t{1} << 20;

}  // namespace

void EndedRun::tell(const std::function<void(const ControlMessage&)>& send,
                    std::uint64_t offset) const {
    send(results);
    std::ifstream file{log, std::ios::binary};
    file.seekg(static_cast<std::streamoff>(offset));
    std::string bytes(kLogChunkBytes, '\0');
    while (file.read(bytes.data(), static_cast<std::streamsize>(bytes.size())), file.gcount() > 0) {
        const auto size = static_cast<std::size_t>(file.gcount());
        send(LogChunk{.offset = offset, .bytes = bytes.substr(0, size)});
        offset += size;
    }
    if (!directory.empty()) send_outputs(directory, results.hosts, send);
    send(LogEnd{.size = offset});
    // The controller keeps it in run.db; what it could not take is still in this file.
}

void keep_ended_run(const std::string& path, const EndedRun& run) {
    const std::string draft = path + ".new";
    std::filesystem::remove(draft);
    write_new_file(draft, encode(ControlMessage{run.results}));
    std::filesystem::rename(draft, path);
}

Result<EndedRun> read_ended_run(const std::string& path, const std::string& log) {
    const auto bytes = read_file(path, kMaxControlBytes);
    if (!bytes) return fail("cannot read " + path);
    Result<ControlMessage> message = decode_control(*bytes);
    if (!message) return tl::unexpected{message.error()};
    const auto* const ended = std::get_if<RunEnded>(&*message);
    if (ended == nullptr) return fail(path + " does not say how a run ended");
    return EndedRun{
        .results = *ended, .log = log, .directory = std::filesystem::path{path}.parent_path()};
}

}  // namespace pleat
