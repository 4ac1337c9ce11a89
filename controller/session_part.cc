// One machine's part in a run.
#include "controller/session_part.hh"

#include <utility>

#include <fmt/format.h>

namespace pleat {

TableAcknowledgements::TableAcknowledgements(std::uint32_t version,
                                             std::vector<std::uint64_t> hashes)
    : version_{version},
      hashes_{std::move(hashes)},
      acknowledged_(hashes_.size(), false),
      left_{hashes_.size()} {}

Result<void> TableAcknowledgements::add(const Prepared& prepared, const std::string& who) {
    const std::size_t epoch = prepared.epoch.value;
    if (epoch >= hashes_.size() || prepared.version != version_) {
        return fail(fmt::format("{} prepared path table {}.{}, which there is not", who,
                                prepared.version, epoch));
    }
    if (prepared.hash != hashes_[epoch]) {
        return fail(fmt::format("{}'s path table of epoch {} has the hash {}, not {}", who, epoch,
                                hash_text(prepared.hash), hash_text(hashes_[epoch])));
    }
    if (!acknowledged_[epoch]) --left_;
    acknowledged_[epoch] = true;
    return {};
}

Result<void> NodeLog::add(const LogChunk& chunk,
                          const std::function<void(const LogRecord&)>& record) {
    const std::uint64_t expected = std::exchange(bytes_, bytes_ + chunk.bytes.size());
    if (broken_) return {};
    Result<void> taken;
    if (chunk.offset != expected) {
        taken = fail(fmt::format("a piece at {} where {} was expected", chunk.offset, expected));
    } else {
        taken = decoder_.feed(chunk.bytes, record);
    }
    broken_ = !taken;
    return taken;
}

Result<void> NodeLog::end(const LogEnd& end) {
    if (broken_ || (end.size == bytes_ && decoder_.incomplete() == 0)) return {};
    return fail(fmt::format("{} of {} bytes", bytes_, end.size));
}

}  // namespace pleat
