// FileDescriptor: the one owner of an open file descriptor.
#pragma once

#include <utility>

#include <unistd.h>

namespace pleat {

class [[nodiscard]] FileDescriptor {
  public:
    FileDescriptor() = default;

    explicit FileDescriptor(int fd) : fd_{fd} {}

    FileDescriptor(FileDescriptor&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}

    FileDescriptor& operator=(FileDescriptor&& other) noexcept {
        if (this != &other) {
            close();
            fd_ = std::exchange(other.fd_, -1);
        }
        return *this;
    }

    FileDescriptor(const FileDescriptor&) = delete;
    FileDescriptor& operator=(const FileDescriptor&) = delete;

    ~FileDescriptor() { close(); }

    // -1 when empty.
    int value() const { return fd_; }

    bool open() const { return fd_ >= 0; }

    // Gives up ownership.
    int release() { return std::exchange(fd_, -1); }

    void close() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }

  private:
    int fd_ = -1;
};

}  // namespace pleat
