// FreshDirectory: a directory that goes again with all that is in it, unless it is kept; one that
// was there before stays in any case.
#pragma once

#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

namespace pleat {

class [[nodiscard]] FreshDirectory {
  public:
    explicit FreshDirectory(std::string path) : path_{std::move(path)} {
        std::error_code unknown;
        keep_ = std::filesystem::exists(path_, unknown) || unknown;
    }

    ~FreshDirectory() {
        std::error_code left;
        if (!keep_) std::filesystem::remove_all(path_, left);
    }

    FreshDirectory(const FreshDirectory&) = delete;
    FreshDirectory& operator=(const FreshDirectory&) = delete;

    void keep() { keep_ = true; }

  private:
    std::string path_;
    bool keep_ = false;
};

}  // namespace pleat
