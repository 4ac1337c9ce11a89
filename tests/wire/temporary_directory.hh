// A directory that is there as long as this object is.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

namespace pleat::testing {

class TemporaryDirectory {
  public:
    TemporaryDirectory() {
        if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error{"no directory"};
    }

    ~TemporaryDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

    const std::string& path() const { return path_; }

  private:
    std::string path_ = "/tmp/pleat-test-XXXXXX";
};

}  // namespace pleat::testing
