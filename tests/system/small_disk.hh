// A small file system in a directory, as long as the object lives. As root.
#pragma once

#include <filesystem>
#include <string>
#include <utility>

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/error.hh"
#include "base/file_descriptor.hh"

namespace pleat::system_test {

class SmallDisk {
  public:
    // `size` as mount(8) takes it: "64k".
    SmallDisk(std::string directory, const std::string& size) : directory_{std::move(directory)} {
        std::filesystem::create_directories(directory_);
        const std::string options = "size=" + size;
        check("cannot mount a small disk",
              ::mount("tmpfs", directory_.c_str(), "tmpfs", 0, options.c_str()));
    }

    ~SmallDisk() { ::umount2(directory_.c_str(), MNT_DETACH); }

    SmallDisk(const SmallDisk&) = delete;
    SmallDisk& operator=(const SmallDisk&) = delete;

    // To the last byte.
    void fill() const {
        const FileDescriptor file{check(
            "cannot make a file", ::open(filler().c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600))};
        const std::string block(4096, 'x');
        while (::write(file.value(), block.data(), block.size()) > 0) {
        }
    }

    void make_room() const { std::filesystem::remove(filler()); }

  private:
    std::string filler() const { return directory_ + "/filler"; }

    std::string directory_;
};

}  // namespace pleat::system_test
