// Duration: every length of time in the program, in nanoseconds.
#pragma once

#include <chrono>

namespace pleat {

using Duration = std::chrono::nanoseconds;

}  // namespace pleat
