// BpfDirectory: a bpffs of our own, that goes with its owner.
#pragma once

#include <string>

#include <sys/mount.h>

#include "base/error.hh"
#include "tests/hosts/scratch_directory.hh"

namespace pleat::testing {

class BpfDirectory {
  public:
    BpfDirectory() {
        check("mounting a bpffs", ::mount("bpf", scratch_.path().c_str(), "bpf", 0, "mode=0700"));
    }

    BpfDirectory(const BpfDirectory&) = delete;
    BpfDirectory& operator=(const BpfDirectory&) = delete;

    ~BpfDirectory() { ::umount2(scratch_.path().c_str(), MNT_DETACH); }

    std::string path() const { return scratch_.path(); }

  private:
    ScratchDirectory scratch_;
};

}  // namespace pleat::testing
