// attempted(): the edge between code that throws and what must go on.
#pragma once

#include <exception>

#include "base/result.hh"

namespace pleat {

// What went wrong in `action`, if anything did.
template <typename Action>
Result<void> attempted(const Action& action) {
    try {
        action();
        return {};
    } catch (const std::exception& problem) {
        return fail(problem.what());
    }
}

}  // namespace pleat
