// ChangeFence: may this machine's hosts use the network? Not when there is a change by hand that
// is in force elsewhere, or should be here, and is not.
//
// (1) What is late by less than kGrace fences nothing: it is under way.
// (2) The fence opens when the change is in force here.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "model/units.hh"

namespace pleat {

class ChangeFence {
  public:
    static constexpr Duration kGrace = std::chrono::milliseconds{500};

    // Changes up to this one are in force on another machine, or due here, since `at`.
    void due(std::uint32_t number, ExperimentTime at) {
        if (number <= due_) return;
        due_ = number;
        if (due_ > in_force_ && !lacking_since_) lacking_since_ = at;
    }

    void in_force(std::uint32_t number) {
        in_force_ = std::max(in_force_, number);
        if (in_force_ >= due_) lacking_since_.reset();
    }

    bool closed(ExperimentTime now) const {
        return lacking_since_ && now >= *lacking_since_ + kGrace;
    }

    bool lacks() const { return lacking_since_.has_value(); }

    // The last change that is in force here.
    std::uint32_t in_force() const { return in_force_; }

  private:
    std::uint32_t due_ = 0;
    std::uint32_t in_force_ = 0;
    std::optional<ExperimentTime> lacking_since_;
};

}  // namespace pleat
