// MachineState: what is on the machine that a run could leave behind. Two of them are
// compared before and after.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/duration.hh"
#include "tests/system/programs.hh"

namespace pleat::system_test {

class MachineState {
  public:
    // Looks now. `directory` is where the test works; what runs have written to its
    // pleat-runs/ is a result, not a leftover.
    static MachineState now(const std::string& directory);

    // One line a thing: "+ process 12 pleat-node …" is new, "- mount …" has gone.
    std::vector<std::string> changes_until(const MachineState& later) const;

    // A file that is to be there.
    void expect_file(const std::string& path) { things_.insert("file " + path); }

  private:
    // "process 12 sleep 60", "interface lo", "file /run/pleat/r-1/ledger", …
    std::set<std::string> things_;
};

// What differs from `before`, once it does not or `patience` is over. Empty: the machine
// is as it was.
std::string left_behind(const MachineState& before, const std::string& directory,
                        Duration patience = 3s);

// What left_behind() should say; compared with, so that a test that fails says what there is.
inline constexpr std::string_view kNothing{};

}  // namespace pleat::system_test
