// PacketPool: memory of the packets that are on their way. A packet is read once into up
// to four chunks and stays there until its last train has left.
//
// Chunks are of four sizes, so that an acknowledgement holds 256 bytes and a GSO packet 66 KB;
// free ones are used again last in, first out, while they are in the cache.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <sys/uio.h>

#include "model/ids.hh"
#include "model/units.hh"
#include "node/dataplane/segmentation.hh"

namespace pleat {

class PacketPool {
  public:
    static constexpr std::array<std::size_t, 4> kChunkBytes{256, 1792, 16384, 49152};
    static constexpr std::size_t kChunks = kChunkBytes.size();
    static constexpr std::size_t kMostBytes = 256 + 1792 + 16384 + 49152;  // of an IP packet

    struct Packet {
        VirtioHeader header{};
        std::uint32_t bytes = 0;       // of the IP packet
        std::uint32_t references = 0;  // 0: a free place
        std::array<std::uint8_t*, kChunks> chunks{};
        std::optional<Segmentation> segmentation;  // of a GSO packet
        std::uint32_t ip_header_bytes = 0;
        HostId source{};

        // What the first chunk holds of it: all headers.
        std::span<const std::uint8_t> start() const {
            return {chunks[0], std::min<std::size_t>(bytes, kChunkBytes[0])};
        }
    };

    // Holds no more than `limit`.
    explicit PacketPool(DataSize limit) : limit_{static_cast<std::size_t>(limit.bytes())} {}

    // Where to read the next packet to: its virtio header and chunks. Empty when the pool
    // is at its limit.
    std::span<const iovec> space();

    // Fills space() from one piece of memory, if that is long enough; false: it is at its limit.
    bool fill(std::span<const std::uint8_t> bytes);

    // The packet that was read into space(), `bytes` in all; asserts that there are as many
    // as a virtio header. It has one reference.
    std::uint32_t adopt(std::size_t bytes);

    Packet& operator[](std::uint32_t packet) { return packets_[packet]; }

    void hold(std::uint32_t packet) { ++packets_[packet].references; }

    void release(std::uint32_t packet);

    std::size_t packets_held() const { return packets_.size() - free_packets_.size(); }

    // The pieces of memory that hold the bytes [begin, begin + count) of a packet; returns
    // how many pieces.
    static std::size_t pieces(const Packet& packet, std::size_t begin, std::size_t count,
                              std::span<iovec, kChunks> out);

  private:
    std::uint8_t* take_chunk(std::size_t size);

    std::size_t limit_;
    std::size_t allocated_ = 0;
    std::vector<std::unique_ptr<std::uint8_t[]>> memory_;
    std::array<std::vector<std::uint8_t*>, kChunks> free_chunks_;
    std::vector<Packet> packets_;
    std::vector<std::uint32_t> free_packets_;
    VirtioHeader next_header_{};
    std::array<std::uint8_t*, kChunks> next_chunks_{};
    std::array<iovec, 1 + kChunks> space_{};
};

}  // namespace pleat
