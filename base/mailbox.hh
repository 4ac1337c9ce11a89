// Mailbox<T>: how threads talk. Any thread posts values; one thread takes them, woken
// through a descriptor that its loop watches.
//
// (1) Values are taken in the order in which they were posted.
// (2) After a post to an empty mailbox fd() is readable, until take() is called.
#pragma once

#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include <sys/eventfd.h>
#include <unistd.h>

#include "base/error.hh"
#include "base/file_descriptor.hh"

namespace pleat {

template <typename T>
class Mailbox {
  public:
    Mailbox()
        : wake_{check("make an eventfd for a mailbox", ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC))} {}

    // Readable when something waits to be taken.
    int fd() const { return wake_.value(); }

    void post(T value) {
        bool first = false;
        {
            const std::lock_guard lock{mutex_};
            first = values_.empty();
            values_.push_back(std::move(value));
        }
        if (!first) return;
        const std::uint64_t one = 1;
        // Cannot fail: the counter is at most 1, for take() resets it.
        static_cast<void>(::write(wake_.value(), &one, sizeof one));
    }

    // All that was posted since the last call.
    std::vector<T> take() {
        std::uint64_t count = 0;
        // Before the values: a post between the two wakes us once too often, never too seldom.
        static_cast<void>(::read(wake_.value(), &count, sizeof count));
        const std::lock_guard lock{mutex_};
        return std::exchange(values_, {});
    }

  private:
    FileDescriptor wake_;
    std::mutex mutex_;
    std::vector<T> values_;
};

}  // namespace pleat
