// Numbers with a unit: rates, sizes, probabilities and experiment time. Zero never
// means "none" or "unlimited"; say so with unlimited() or std::optional.
#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>
#include <limits>

#include "base/duration.hh"
#include "base/error.hh"

namespace pleat {

__extension__ using Int128 = __int128;

// Time since T0, the start of a run. It never mixes with a machine's clock.
struct ExperimentClock {
    using duration = Duration;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<ExperimentClock, Duration>;
    static constexpr bool is_steady = true;
};

using ExperimentTime = ExperimentClock::time_point;

// An amount of data, in bytes; never negative.
class DataSize {
  public:
    static constexpr DataSize bytes(std::int64_t n) { return DataSize{n}; }

    constexpr std::int64_t bytes() const { return bytes_; }

    friend constexpr auto operator<=>(DataSize, DataSize) = default;

    friend constexpr DataSize operator+(DataSize a, DataSize b) {
        return DataSize{a.bytes_ + b.bytes_};
    }

    friend constexpr DataSize operator-(DataSize a, DataSize b) {
        return DataSize{a.bytes_ - b.bytes_};
    }

    friend constexpr DataSize operator*(DataSize a, std::int64_t n) {
        return DataSize{a.bytes_ * n};
    }

    constexpr DataSize& operator+=(DataSize other) {
        bytes_ += other.bytes_;
        return *this;
    }

    constexpr DataSize& operator-=(DataSize other) {
        bytes_ -= other.bytes_;
        return *this;
    }

  private:
    explicit constexpr DataSize(std::int64_t n) : bytes_{n} {}

    std::int64_t bytes_;
};

// A rate of data, in bits per second because that is what people write in
// topologies. Positive, or unlimited.
class Bandwidth {
  public:
    // Any n >= 1; the largest stands for "unlimited".
    static constexpr Bandwidth bits_per_second(std::int64_t n) { return Bandwidth{n}; }

    static constexpr Bandwidth unlimited() { return Bandwidth{kUnlimited}; }

    constexpr bool is_unlimited() const { return bps_ == kUnlimited; }

    constexpr std::int64_t bits_per_second() const { return bps_; }

    // Rounds down: a shaper may be a hair slow, never fast.
    constexpr std::int64_t bytes_per_second() const { return bps_ / 8; }

    // Ordered by speed; unlimited is the fastest.
    friend constexpr auto operator<=>(Bandwidth, Bandwidth) = default;

    // How long `size` occupies a link of this rate: rounded up, for a packet has
    // not left until its last bit has. Nothing on an unlimited link; at most the
    // longest Duration.
    friend constexpr Duration operator/(DataSize size, Bandwidth rate) {
        if (rate.is_unlimited()) return Duration::zero();
        const Int128 bit_ns = static_cast<Int128>(size.bytes()) * 8 * 1'000'000'000;
        const Int128 result = (bit_ns + rate.bps_ - 1) / rate.bps_;
        return Duration{
            static_cast<std::int64_t>(std::min<Int128>(result, Duration::max().count()))};
    }

    // What passes in `time`: rounded down; the largest DataSize when unlimited.
    friend constexpr DataSize operator*(Bandwidth rate, Duration time) {
        constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
        if (rate.is_unlimited()) return DataSize::bytes(kMost);
        const Int128 result = static_cast<Int128>(rate.bps_) * time.count() / 8 / 1'000'000'000;
        return DataSize::bytes(static_cast<std::int64_t>(std::min<Int128>(result, kMost)));
    }

  private:
    static constexpr std::int64_t kUnlimited = std::numeric_limits<std::int64_t>::max();

    explicit constexpr Bandwidth(std::int64_t bps) : bps_{bps} {}

    std::int64_t bps_;
};

// A chance from 0 to 1.
class Probability {
  public:
    constexpr Probability() = default;  // never

    // Asserts 0 <= p <= 1; readers check before they come here.
    static constexpr Probability of(double p) { return Probability{p}; }

    constexpr double value() const { return p_; }

    friend constexpr auto operator<=>(Probability, Probability) = default;

    // At least one of two independent events: 1 - (1-a)(1-b).
    friend constexpr Probability either(Probability a, Probability b) {
        return Probability{1.0 - (1.0 - a.p_) * (1.0 - b.p_)};
    }

  private:
    explicit constexpr Probability(double p) : p_{p} {}

    double p_ = 0.0;
};

namespace literals {

constexpr DataSize operator""_B(unsigned long long n) {
    return DataSize::bytes(static_cast<std::int64_t>(n));
}

constexpr Bandwidth operator""_bps(unsigned long long n) {
    return Bandwidth::bits_per_second(static_cast<std::int64_t>(n));
}

constexpr Bandwidth operator""_kbps(unsigned long long n) {
    return Bandwidth::bits_per_second(static_cast<std::int64_t>(n) * 1'000);
}

constexpr Bandwidth operator""_Mbps(unsigned long long n) {
    return Bandwidth::bits_per_second(static_cast<std::int64_t>(n) * 1'000'000);
}

constexpr Bandwidth operator""_Gbps(unsigned long long n) {
    return Bandwidth::bits_per_second(static_cast<std::int64_t>(n) * 1'000'000'000);
}

}  // namespace literals

}  // namespace pleat
