// Grammar: every verb with its flags, arguments, help and examples, and the values that a parsed
// line gives them. With arguments.cc the only place that knows the library which parses.
#pragma once

#include <memory>

#include "cli/arguments.hh"

namespace CLI {  // NOLINT(readability-identifier-naming): the library's
class App;
}

namespace pleat {

class Grammar {
  public:
    Grammar();
    ~Grammar();
    Grammar(const Grammar&) = delete;
    Grammar& operator=(const Grammar&) = delete;

    // The parser of the whole line.
    CLI::App& app();

    // Of the verb that the line names, or nullptr.
    const CLI::App* chosen() const;

    // What was parsed; asserts that a verb was.
    CommandLine result() const;

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace pleat
