#include "model/draw.hh"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace pleat {

namespace {

// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): each input bit changes each
// output bit with a chance of one half.
constexpr std::uint64_t mixed(std::uint64_t x) {
    x ^= x >> 30U;
    x *= 0xbf58476d1ce4e5b9ULL;
    x ^= x >> 27U;
    x *= 0x94d049bb133111ebULL;
    return x ^ (x >> 31U);
}

constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15ULL;

}  // namespace

std::uint64_t draw_seed_key(std::uint64_t seed) {
    return mixed(seed + kGolden);
}

DrawStream::DrawStream(std::uint64_t seed, FlowKey path, std::uint8_t protocol)
    : key_{draw_seed_key(seed)} {
    key_ = mixed(key_ ^ ((std::uint64_t{path.source.value} << 32U) | path.destination.value));
    key_ = mixed(key_ + (std::uint64_t{protocol} + 1) * kGolden);
}

std::uint64_t DrawStream::bits(DrawPurpose purpose, std::uint64_t count) const {
    const std::uint64_t by_purpose =
        mixed(key_ + (static_cast<std::uint64_t>(purpose) + 1) * kGolden);
    return mixed(by_purpose + count * kGolden);
}

double DrawStream::uniform(DrawPurpose purpose, std::uint64_t count) const {
    return static_cast<double>(bits(purpose, count) >> 11U) * 0x1.0p-53;
}

double DrawStream::jitter(JitterDistribution distribution, std::uint64_t count) const {
    const double u = uniform(DrawPurpose::jitter, count);
    switch (distribution) {
        case JitterDistribution::uniform:
            return 2.0 * u - 1.0;
        case JitterDistribution::normal: {
            // Box and Muller; 1 - u is never 0.
            const double angle = 2.0 * std::numbers::pi * uniform(DrawPurpose::jitter_angle, count);
            return std::sqrt(-2.0 * std::log(1.0 - u)) * std::cos(angle);
        }
        case JitterDistribution::pareto: {
            // Shape 3, scale 1, cut at c: the mean is 3/2 - 1/(2 c^2), that of the square
            // 3 - 2/c.
            constexpr double kCut = kLongestPareto;
            constexpr double kMean = 1.5 - 0.5 / (kCut * kCut);
            const double deviation = std::sqrt(3.0 - 2.0 / kCut - kMean * kMean);
            const double x = std::min(1.0 / std::cbrt(1.0 - u), kCut);
            return (x - kMean) / deviation;
        }
    }
    return 0.0;
}

}  // namespace pleat
