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
    if (broken_ || chunk.offset > bytes_) return {};
    const std::uint64_t known = bytes_ - chunk.offset;
    if (known >= chunk.bytes.size()) return {};
    bytes_ = chunk.offset + chunk.bytes.size();
    const std::string_view fresh = std::string_view{chunk.bytes}.substr(known);
    const Result<void> taken = decoder_.feed(fresh, record);
    broken_ = !taken;
    return taken;
}

Result<void> NodeLog::end(const LogEnd& end) {
    if (broken_ || (end.size == bytes_ && decoder_.incomplete() == 0)) return {};
    return fail(fmt::format("{} of {} bytes", bytes_, end.size));
}

}  // namespace pleat
