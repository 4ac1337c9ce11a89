// Workplace: where one test works. A fresh directory; as root a mount namespace with an
// empty /run that no other program uses. Processes that lose their parent come to the
// test, so that it sees all that its programs leave.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "tests/system/machine_state.hh"
#include "tests/system/programs.hh"

namespace pleat::system_test {

class Workplace {
  public:
    Workplace();
    ~Workplace();
    Workplace(const Workplace&) = delete;
    Workplace& operator=(const Workplace&) = delete;

    const std::string& directory() const { return directory_; }

    std::string path(const std::string& name) const { return directory_ + "/" + name; }

    // Makes the file and gives its path. It is the test's own, not left behind.
    std::string write(const std::string& name, const std::string& content);

    // A command that works in the directory.
    Command command(std::vector<std::string> arguments) const;
    // `pleat` with these arguments.
    Command pleat(std::vector<std::string> arguments) const;

    // `pleat` to its end.
    Ended run(std::vector<std::string> arguments, Duration patience = 40s) const;

    // What is on the machine now that was not when the test began, and the reverse; waits
    // a moment for it to go.
    std::string left_behind(Duration patience = 3s) const {
        return system_test::left_behind(before_, directory_, patience);
    }

    // Runtime directories of runs that are under way.
    std::vector<std::string> runtime_directories() const;

  private:
    std::string directory_;
    MachineState before_;
};

// True as root; else says aloud that the test is left out.
bool is_root_or_skips(const std::string& what);

// Whether this machine lets us run hosts at all; else says so aloud.
bool can_run_or_skips();

// The one document that `--json` printed; fails the test when it is none.
nlohmann::json document(const std::string& text);

// "Expected `wanted` in: text" as a plain truth, for CHECK.
bool has(const std::string& text, const std::string& wanted);

}  // namespace pleat::system_test
