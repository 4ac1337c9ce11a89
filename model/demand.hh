// Demand of a flow, as its source's machine sees and publishes it: gone, greedy, or
// limited to a rate. Rule G of the design: publish the demand's state, not the
// measured rate, so that a change of share causes no message.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>

#include "model/units.hh"

namespace pleat {

// The state as it goes over the wire, in one number: 0 gone, 1 greedy, 2 + n a limit of
// 1 kbit/s x 1.08^n, rounded up to the next code. All machines compute with these
// values, the publisher too.
class DemandState {
  public:
    static DemandState gone() { return DemandState{0}; }

    static DemandState greedy() { return DemandState{1}; }

    // To at least `rate`: at most 8 % above it. Beyond the last code (285 Gbit/s): greedy.
    static DemandState limited(Bandwidth rate);

    // From the wire. Nothing for a code that does not exist.
    static std::optional<DemandState> from_code(std::uint32_t code);

    std::uint32_t code() const { return code_; }

    bool is_gone() const { return code_ == 0; }

    bool is_greedy() const { return code_ == 1; }

    bool is_limited() const { return code_ >= 2; }

    // In bits per second; infinity when greedy, 0 when gone.
    double rate() const;

    friend auto operator<=>(DemandState, DemandState) = default;

  private:
    explicit DemandState(std::uint32_t code) : code_{code} {}

    std::uint32_t code_;
};

}  // namespace pleat
