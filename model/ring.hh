// Ring<T>: a first-in first-out queue in one piece of memory that grows by doubling and
// holds none while it was never used. (std::deque costs over a kilobyte when empty, and
// there is a queue for each of millions of paths.)
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include "base/error.hh"

namespace pleat {

template <typename T>
class Ring {
  public:
    bool empty() const { return size_ == 0; }

    std::size_t size() const { return size_; }

    T& front() {
        PLEAT_ASSERT(size_ > 0);
        return slots_[first_];
    }

    const T& front() const {
        PLEAT_ASSERT(size_ > 0);
        return slots_[first_];
    }

    void push_back(T value) {
        if (size_ == capacity_) grow();
        slots_[(first_ + size_) & (capacity_ - 1)] = std::move(value);
        ++size_;
    }

    T pop_front() {
        T value = std::move(front());
        first_ = (first_ + 1) & (capacity_ - 1);
        if (--size_ == 0 && capacity_ > kKept) free_memory();
        return value;
    }

  private:
    static constexpr std::size_t kFirst = 4;
    static constexpr std::size_t kKept = 256;  // a longer one is given back when it drains

    void grow() {
        const std::size_t capacity = capacity_ == 0 ? kFirst : 2 * capacity_;
        auto slots = std::make_unique<T[]>(capacity);
        for (std::size_t i = 0; i < size_; ++i) {
            slots[i] = std::move(slots_[(first_ + i) & (capacity_ - 1)]);
        }
        slots_ = std::move(slots);
        capacity_ = capacity;
        first_ = 0;
    }

    void free_memory() {
        slots_.reset();
        capacity_ = 0;
        first_ = 0;
    }

    std::unique_ptr<T[]> slots_;
    std::size_t capacity_ = 0;  // a power of two, or 0
    std::size_t first_ = 0;
    std::size_t size_ = 0;
};

}  // namespace pleat
