#include "node/dataplane/tunnel/reassembly.hh"

#include <algorithm>
#include <cstring>
#include <utility>

namespace pleat {

std::optional<std::span<const std::uint8_t>> Reassembly::add(const DatagramHeader& header,
                                                             std::span<const std::uint8_t> body,
                                                             Instant now) {
    if (header.count == 1) return body;
    Partial* const partial = find_or_make(header, now);
    if (partial == nullptr || partial->there[header.index]) return std::nullopt;
    const std::size_t begin = std::size_t{header.index} * header.fragment_bytes;
    std::memcpy(&partial->content[begin], body.data(), body.size());
    partial->there.set(header.index);
    if (header.index + 1 == header.count) partial->bytes = begin + body.size();
    if (--partial->missing > 0) return std::nullopt;
    const std::size_t bytes = partial->bytes;
    std::swap(whole_, partial->content);
    retire(static_cast<std::size_t>(partial - partial_.data()));
    return std::span<const std::uint8_t>{whole_}.first(bytes);
}

Reassembly::Partial* Reassembly::find_or_make(const DatagramHeader& header, Instant now) {
    const std::uint64_t message = header.counter - header.index;
    // Mostly it is the latest.
    const auto found = std::find_if(partial_.rbegin(), partial_.rend(),
                                    [message](const Partial& p) { return p.message == message; });
    if (found != partial_.rend()) {
        const bool fits =
            found->count == header.count && found->fragment_bytes == header.fragment_bytes;
        return fits ? &*found : nullptr;
    }
    const std::size_t room = std::size_t{header.count} * header.fragment_bytes;
    // The last fragment may be short: only what all others hold is sure.
    if (room - header.fragment_bytes >= kMostMessageBytes) return nullptr;
    expire(now);
    if (partial_.size() == kMostPartial) {
        ++given_up_;
        retire(0);
    }
    Partial fresh{.message = message,
                  .since = now,
                  .count = header.count,
                  .fragment_bytes = header.fragment_bytes,
                  .missing = header.count,
                  .bytes = 0,
                  .there = {},
                  .content = {}};
    if (!spare_.empty()) {
        fresh.content = std::move(spare_.back());
        spare_.pop_back();
    }
    if (fresh.content.size() < room) fresh.content.resize(room);
    partial_.push_back(std::move(fresh));
    return &partial_.back();
}

void Reassembly::retire(std::size_t index) {
    spare_.push_back(std::move(partial_[index].content));
    partial_.erase(partial_.begin() + static_cast<std::ptrdiff_t>(index));
}

void Reassembly::expire(Instant now) {
    while (!partial_.empty() && now - partial_.front().since >= kPatience) {
        ++given_up_;
        retire(0);
    }
}

void Reassembly::clear() {
    given_up_ += partial_.size();
    while (!partial_.empty()) retire(partial_.size() - 1);
}

}  // namespace pleat
