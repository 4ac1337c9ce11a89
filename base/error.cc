#include "base/error.hh"

#include <cstdio>
#include <cstdlib>

namespace pleat {

void assertion_failed(const char* expression, const char* file, int line) {
    static_cast<void>(
        std::fprintf(stderr, "%s:%d: this must hold, and does not: %s\n", file, line, expression));
    std::abort();
}

}  // namespace pleat
