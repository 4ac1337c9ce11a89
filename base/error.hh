// The three kinds of failure: a bug (PLEAT_ASSERT), "we cannot go on" (throw,
// by check() or Failure), and "the caller must choose" (Result, in result.hh).
#pragma once

#include <cerrno>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace pleat {

// What a function that returns Result says when it refuses. `message` is a whole
// sentence for a user: what was wrong, where, and what was expected.
struct Error {
    std::string message;

    friend bool operator==(const Error&, const Error&) = default;
};

// We cannot go on: names what was attempted, on what, and the cause.
class Failure : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

// The machine lacks a privilege or a kernel feature. The text names `pleat doctor`.
class MissingFeature : public Failure {
  public:
    using Failure::Failure;
};

// Turns errno into an exception, in one place. `attempt` says what we were
// doing, in words an operator would use.
inline int check(std::string_view attempt, int result) {
    if (result < 0) {
        throw std::system_error{errno, std::system_category(), std::string{attempt}};
    }
    return result;
}

// The same for what a machine may not have or not allow.
inline int check_feature(std::string_view attempt, int result) {
    if (result < 0) {
        throw MissingFeature{std::string{attempt} + ": " + std::system_category().message(errno) +
                             " (see 'pleat doctor')"};
    }
    return result;
}

// Prints the broken assumption and aborts. Never reached from user input.
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);

}  // namespace pleat

// Kept on in every build, the release preset too.
#define PLEAT_ASSERT(expression) \
    ((expression) ? void(0) : ::pleat::assertion_failed(#expression, __FILE__, __LINE__))
