#include "node/run_journal.hh"

#include <cstring>
#include <fstream>
#include <utility>
#include <variant>

#include <fcntl.h>
#include <unistd.h>

#include "base/error.hh"
#include "wire/codec.hh"

namespace pleat {

RunJournal::RunJournal(std::string path)
    : path_{std::move(path)},
      file_{::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)} {
    check("cannot create " + path_, file_.value());
}

void RunJournal::add(const ControlMessage& message) {
    const std::string body = encode(message);
    const auto size = static_cast<std::uint32_t>(body.size());
    std::string bytes(sizeof size, '\0');
    std::memcpy(bytes.data(), &size, sizeof size);  // read by the same machine
    bytes += body;
    for (std::size_t at = 0; at < bytes.size();) {
        const ssize_t n = ::write(file_.value(), bytes.data() + at, bytes.size() - at);
        check("cannot write " + path_, n < 0 ? -1 : 0);
        at += static_cast<std::size_t>(n);
    }
}

std::optional<JournaledRun> read_journal(const std::string& path) {
    std::ifstream file{path, std::ios::binary};
    std::optional<PrepareRun> prepare;
    std::vector<PrepareEpoch> epochs;
    std::optional<Instant> t0;
    std::string way;
    std::uint32_t size = 0;
    std::string body;
    while (file.read(reinterpret_cast<char*>(&size), sizeof size)) {
        if (size > kMaxControlBytes) break;
        body.resize(size);
        if (!file.read(body.data(), static_cast<std::streamsize>(size))) break;
        Result<ControlMessage> message = decode_control(body);
        if (!message) break;
        if (auto* const first = std::get_if<PrepareRun>(&*message)) prepare = std::move(*first);
        if (auto* const epoch = std::get_if<PrepareEpoch>(&*message)) {
            epochs.push_back(std::move(*epoch));
        }
        if (const auto* const opened = std::get_if<WayOpened>(&*message)) way = opened->endpoint;
        if (const auto* const begin = std::get_if<ConfirmBegin>(&*message)) t0 = begin->t0;
    }
    if (!prepare || !t0) return {};
    return JournaledRun{.prepare = *std::move(prepare),
                        .epochs = std::move(epochs),
                        .t0 = *t0,
                        .way = std::move(way)};
}

}  // namespace pleat
