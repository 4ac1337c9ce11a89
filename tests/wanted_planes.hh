// PLEAT_PLANES, which suites that run once for each data plane obey: "edt netem".
#pragma once

#include <cstdlib>
#include <string>

namespace pleat::testing {

// Whether it names this data plane, or is not there.
inline bool is_wanted_plane(const std::string& plane) {
    const char* const names = std::getenv("PLEAT_PLANES");  // NOLINT(concurrency-mt-unsafe)
    return names == nullptr ||
           (" " + std::string{names} + " ").find(" " + plane + " ") != std::string::npos;
}

}  // namespace pleat::testing
