#include "node/dataplane/packet_pool.hh"

#include <algorithm>
#include <cstring>

#include "base/error.hh"

namespace pleat {

std::uint8_t* PacketPool::take_chunk(std::size_t size) {
    std::vector<std::uint8_t*>& free = free_chunks_[size];
    if (!free.empty()) {
        std::uint8_t* const chunk = free.back();
        free.pop_back();
        return chunk;
    }
    if (allocated_ + kChunkBytes[size] > limit_) return nullptr;
    allocated_ += kChunkBytes[size];
    memory_.emplace_back(new std::uint8_t[kChunkBytes[size]]);  // not zeroed: pages come when used
    return memory_.back().get();
}

std::span<const iovec> PacketPool::space() {
    space_[0] = {&next_header_, sizeof next_header_};
    for (std::size_t size = 0; size < kChunkBytes.size(); ++size) {
        if (next_chunks_[size] == nullptr) next_chunks_[size] = take_chunk(size);
        if (next_chunks_[size] == nullptr) return {};
        space_[size + 1] = {next_chunks_[size], kChunkBytes[size]};
    }
    return space_;
}

bool PacketPool::fill(std::span<const std::uint8_t> bytes) {
    PLEAT_ASSERT(bytes.size() <= sizeof next_header_ + kMostBytes);
    for (const iovec& piece : space()) {
        const std::size_t count = std::min(piece.iov_len, bytes.size());
        std::memcpy(piece.iov_base, bytes.data(), count);
        bytes = bytes.subspan(count);
        if (bytes.empty()) return true;
    }
    return false;
}

std::uint32_t PacketPool::adopt(std::size_t bytes) {
    PLEAT_ASSERT(bytes >= sizeof next_header_);
    std::uint32_t index = 0;
    if (free_packets_.empty()) {
        index = static_cast<std::uint32_t>(packets_.size());
        packets_.emplace_back();
    } else {
        index = free_packets_.back();
        free_packets_.pop_back();
    }
    Packet& packet = packets_[index];
    packet = Packet{};
    packet.header = next_header_;
    packet.bytes = static_cast<std::uint32_t>(bytes - sizeof next_header_);
    packet.references = 1;
    std::size_t covered = 0;
    for (std::size_t size = 0; size < kChunkBytes.size(); ++size) {
        if (size > 0 && covered >= packet.bytes) break;
        packet.chunks[size] = std::exchange(next_chunks_[size], nullptr);
        covered += kChunkBytes[size];
    }
    return index;
}

void PacketPool::release(std::uint32_t index) {
    Packet& packet = packets_[index];
    PLEAT_ASSERT(packet.references > 0);
    if (--packet.references > 0) return;
    for (std::size_t size = 0; size < kChunkBytes.size(); ++size) {
        if (packet.chunks[size] != nullptr) free_chunks_[size].push_back(packet.chunks[size]);
    }
    free_packets_.push_back(index);
}

std::size_t PacketPool::pieces(const Packet& packet, std::size_t begin, std::size_t count,
                               std::span<iovec, kChunks> out) {
    std::size_t pieces = 0;
    std::size_t chunk_begin = 0;
    for (std::size_t size = 0; size < kChunkBytes.size() && count > 0; ++size) {
        const std::size_t chunk_end = chunk_begin + kChunkBytes[size];
        if (begin < chunk_end) {
            const std::size_t length = std::min(count, chunk_end - begin);
            out[pieces++] = {packet.chunks[size] + (begin - chunk_begin), length};
            begin += length;
            count -= length;
        }
        chunk_begin = chunk_end;
    }
    PLEAT_ASSERT(count == 0);
    return pieces;
}

}  // namespace pleat
