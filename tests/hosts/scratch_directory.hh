// ScratchDirectory: a directory that goes with its owner.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/error.hh"

namespace pleat {

class ScratchDirectory {
  public:
    ScratchDirectory() {
        const char* const parent = std::getenv("TMPDIR");  // NOLINT(concurrency-mt-unsafe)
        path_ = std::string{parent == nullptr ? "/tmp" : parent} + "/pleat-test-XXXXXX";
        PLEAT_ASSERT(::mkdtemp(path_.data()) != nullptr);
    }

    ScratchDirectory(const ScratchDirectory&) = delete;
    ScratchDirectory& operator=(const ScratchDirectory&) = delete;

    ~ScratchDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    std::string operator/(const std::string& name) const { return path_ + "/" + name; }

    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

}  // namespace pleat
