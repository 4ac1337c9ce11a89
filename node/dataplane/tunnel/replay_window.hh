// ReplayWindow: which of a sender's datagrams have been seen, by their counters. Order is
// free within the window; what is older can't be told and is refused. (A bit map in blocks, of
// which the oldest is cleared as the window moves: RFC 6479.)
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

namespace pleat {

class ReplayWindow {
  public:
    // At least so many of the latest counters are remembered.
    static constexpr std::uint64_t kSpan = 8192;

    enum class Verdict : std::uint8_t { fresh, replayed, late };

    Verdict look(std::uint64_t counter) const {
        if (counter > newest_ || !any_) return Verdict::fresh;
        if (newest_ - counter >= kSpan) return Verdict::late;
        return seen(counter) ? Verdict::replayed : Verdict::fresh;
    }

    // It was fresh and proved genuine: from now on it is replayed.
    void accept(std::uint64_t counter) {
        if (counter > newest_ || !any_) {
            const std::uint64_t from = newest_ / kBits;
            const std::uint64_t blocks = any_ ? std::min(counter / kBits - from, kBlocks) : kBlocks;
            for (std::uint64_t i = 1; i <= blocks; ++i) bits_[(from + i) % kBlocks] = 0;
            newest_ = counter;
            any_ = true;
        }
        bits_[counter / kBits % kBlocks] |= bit(counter);
    }

  private:
    static constexpr std::uint64_t kBits = 64;
    static constexpr std::uint64_t kBlocks = kSpan / kBits + 1;

    static std::uint64_t bit(std::uint64_t counter) { return std::uint64_t{1} << counter % kBits; }

    bool seen(std::uint64_t counter) const {
        return (bits_[counter / kBits % kBlocks] & bit(counter)) != 0;
    }

    std::array<std::uint64_t, kBlocks> bits_{};
    std::uint64_t newest_ = 0;
    bool any_ = false;
};

}  // namespace pleat
