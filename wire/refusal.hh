// Refusal: gathers the first thing that is wrong with a message while its parts are
// turned into values. Each part that is wrong gives some harmless value, and the whole
// message is refused in one place, at the end.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hh"
#include "model/ids.hh"
#include "model/units.hh"

namespace pleat::codec {

class Refusal {
  public:
    // Returns `right`, and remembers `what` when it is not.
    bool require(bool right, std::string_view what) {
        if (!right && message_.empty()) message_ = what;
        return right;
    }

    bool any() const { return !message_.empty(); }

    const std::string& message() const { return message_; }

  private:
    std::string message_;
};

// An id below `count`.
template <typename SomeId>
SomeId id(std::uint32_t value, std::size_t count, std::string_view what, Refusal& refusal) {
    return refusal.require(value < count, what) ? SomeId{value} : SomeId{0};
}

// One of the first `count` values of an enumeration.
template <typename Enumeration>
Enumeration enumeration(std::uint32_t value, std::uint32_t count, std::string_view what,
                        Refusal& refusal) {
    return refusal.require(value < count, what) ? static_cast<Enumeration>(value) : Enumeration{};
}

inline Probability probability(double value, Refusal& refusal) {
    // Written so that "not a number" is refused, too.
    const bool right = value >= 0.0 && value <= 1.0;
    return refusal.require(right, "a probability that is not from 0 to 1") ? Probability::of(value)
                                                                           : Probability{};
}

inline Duration length_of_time(std::int64_t nanoseconds, std::string_view what, Refusal& refusal) {
    return Duration{refusal.require(nanoseconds >= 0, what) ? nanoseconds : 0};
}

inline ExperimentTime experiment_time(std::int64_t nanoseconds) {
    return ExperimentTime{Duration{nanoseconds}};
}

inline std::int64_t nanoseconds_of(ExperimentTime at) {
    return at.time_since_epoch().count();
}

}  // namespace pleat::codec
