// RunLedger: the runtime directory of one run and the list of what the run has made, so
// that whatever dies at whatever moment, `clean` can undo it and nothing else.
//
// The directory is /run/pleat/RUN, else $XDG_RUNTIME_DIR/pleat/RUN, else
// $TMPDIR/pleat-UID/RUN, mode 0700. It appears complete or not at all, its ledger with it.
// The ledger is text, one line a thing, each written by one append.
//
// (1) A process is named by pid and start time of one boot: a stranger that has got the
//     pid is never touched.
// (2) What a process may make before it can be written down carries the run's mark in its
//     environment (PLEAT_MARK), and is found by it.
// (3) A path outside of the directory is removed only while it is the same inode.
// (4) A run is live as long as its owner is: the process that created it, or that has adopted
//     it after the one before had died.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "base/clock.hh"
#include "base/file_descriptor.hh"
#include "base/result.hh"

namespace pleat {

class [[nodiscard]] RunLedger {
  public:
    // Makes the directory; this process is the run's owner. Throws Failure, also when
    // the run exists.
    static RunLedger create(const std::string& run);

    // For a process of the run that was told its directory: adds to the ledger there.
    // Begins one, with this process as owner, where there is none.
    static RunLedger open(const std::string& directory, const std::string& run);

    // Makes this process the owner of a run whose owner is gone. Nothing when there is none of
    // that name, its owner lives, or it was of another boot.
    static std::optional<RunLedger> adopt(const std::string& run,
                                          const std::vector<std::string>& places);

    const std::string& run() const { return run_; }

    const std::string& directory() const { return directory_; }

    // What tells this run's processes from all others.
    const std::string& mark() const { return mark_; }

    // "PLEAT_MARK=…": belongs in the environment of every process of the run.
    std::string environment_mark() const;

    // `role` is for people: "controller", "keeper client[0]".
    void record_process(std::string_view role, pid_t pid);
    // A file, socket or directory outside of the runtime directory; must exist.
    void record_path(const std::string& path);

    // Removes recorded paths and the directory. Processes are their owners' business.
    void dissolve();

  private:
    RunLedger(std::string run, std::string directory, std::string mark, FileDescriptor file);

    std::string run_;
    std::string directory_;
    std::string mark_;
    FileDescriptor file_;
};

struct LedgerProcess {
    std::string role;
    pid_t pid = 0;

    friend bool operator==(const LedgerProcess&, const LedgerProcess&) = default;
};

// A run whose owner is gone, and what is left of it.
struct RunLeftover {
    std::string run;
    std::string directory;
    std::vector<LedgerProcess> processes;  // those that still live
    std::vector<std::string> paths;        // recorded outside of the directory, still there
    std::string interface{};               // of this machine, that was changed; empty: none
};

// Where to look; by default every place that create() may choose for this user.
std::vector<std::string> ledger_places();

std::vector<RunLeftover> find_leftovers(const std::vector<std::string>& places = ledger_places());

struct CleanReport {
    std::vector<RunLeftover> cleaned;
    std::size_t processes_ended = 0;
    std::size_t paths_removed = 0;  // directories of runs count as one
    std::size_t interfaces_restored = 0;
    std::vector<std::string> problems;  // what could not be undone, and why

    bool nothing_to_do() const { return cleaned.empty() && problems.empty(); }
};

// Ends the processes of leftover runs (SIGTERM; SIGKILL after `grace`) and removes their
// files. Runs whose owner lives are left alone.
CleanReport clean(const std::vector<std::string>& places = ledger_places(),
                  Duration grace = std::chrono::seconds{2});

// For the owner of a live run that can't wait for its clean end: ends every process of the
// run but this one, as clean() would. Returns what could not be ended, and why.
std::vector<std::string> end_processes(const RunLedger& run, Duration grace);

}  // namespace pleat
