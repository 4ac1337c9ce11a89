// RunJournal: what the controller has told this node of one run, for a node daemon that is
// started anew after this one was killed: PrepareRun, each PrepareEpoch, ConfirmBegin, as
// they came, and before them where our end of the way to other machines is (WayOpened); each with
// its length before it. A file that was cut off gives all before the cut. It holds the keys of
// the ways, so its mode is 0600.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.hh"
#include "base/file_descriptor.hh"
#include "wire/messages.hh"

namespace pleat {

class RunJournal {
  public:
    // Makes the file anew. Throws.
    explicit RunJournal(std::string path);

    // Throws.
    void add(const ControlMessage& message);

  private:
    std::string path_;
    FileDescriptor file_;
};

// A run that had begun.
struct JournaledRun {
    PrepareRun prepare;
    std::vector<PrepareEpoch> epochs;
    Instant t0;
    std::string way;  // our end, as the peers know it; empty: none
};

// Nothing when there is no such file, or the run had not begun.
std::optional<JournaledRun> read_journal(const std::string& path);

}  // namespace pleat
