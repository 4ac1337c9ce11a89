#include "model/demand.hh"

#include <array>

namespace pleat {

namespace {

constexpr std::uint32_t kFirstLimit = 2;
constexpr std::size_t kLimits = 254;  // a code fits in a byte

// 1 kbit/s x 1.08^n: to 285 Gbit/s.
constexpr std::array<double, kLimits> make_limits() {
    std::array<double, kLimits> limits{};
    double rate = 1000.0;
    for (double& limit : limits) {
        limit = rate;
        rate *= 1.08;
    }
    return limits;
}

constexpr std::array<double, kLimits> kRates = make_limits();

}  // namespace

DemandState DemandState::limited(Bandwidth rate) {
    const auto* const code =
        std::lower_bound(kRates.begin(), kRates.end(), static_cast<double>(rate.bits_per_second()));
    if (code == kRates.end()) return greedy();
    return DemandState{kFirstLimit + static_cast<std::uint32_t>(code - kRates.begin())};
}

std::optional<DemandState> DemandState::from_code(std::uint32_t code) {
    if (code >= kFirstLimit + kLimits) return std::nullopt;
    return DemandState{code};
}

double DemandState::rate() const {
    if (is_gone()) return 0.0;
    if (is_greedy()) return std::numeric_limits<double>::infinity();
    return kRates[code_ - kFirstLimit];
}

}  // namespace pleat
