// SeededStream: random numbers that are the same on every machine: splitmix64, seeded by
// a number and a text.
#pragma once

#include <cstdint>
#include <string_view>

namespace pleat {

class SeededStream {
  public:
    SeededStream(std::uint64_t seed, std::string_view text, std::uint64_t occurrence = 0) {
        state_ = seed;
        for (const char c : text) state_ = mixed(state_ ^ static_cast<unsigned char>(c));
        state_ = mixed(state_ ^ occurrence);
    }

    std::uint64_t next() {
        state_ += kStep;
        return mixed(state_);
    }

    // Above 0, at most 1.
    double unit() { return static_cast<double>((next() >> 11U) + 1) * 0x1.0p-53; }

    // 0 .. n-1; n is positive. (The bias of the remainder is below n / 2^64.)
    std::uint64_t below(std::uint64_t n) { return next() % n; }

  private:
    static constexpr std::uint64_t kStep = 0x9e3779b97f4a7c15;

    static std::uint64_t mixed(std::uint64_t z) {
        z += kStep;
        z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27U)) * 0x94d049bb133111eb;
        return z ^ (z >> 31U);
    }

    std::uint64_t state_;
};

}  // namespace pleat
