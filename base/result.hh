// Result<T>: a T, or an Error that says why not. The caller must look.
#pragma once

#include <string>
#include <utility>

#include <tl/expected.hpp>

#include "base/error.hh"

namespace pleat {

template <typename T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
  public:
    using tl::expected<T, Error>::expected;
};

// return fail("line 3: expected a rate such as 10Mbps, found '10mbps'");
inline tl::unexpected<Error> fail(std::string message) {
    return tl::unexpected<Error>{Error{std::move(message)}};
}

}  // namespace pleat
