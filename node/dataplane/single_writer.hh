// Counters that one thread writes and others read: without the locked addition that an
// atomic's += would be.
#pragma once

#include <atomic>

namespace pleat {

template <typename T>
void add(std::atomic<T>& counter, T amount) {
    counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
}

template <typename T>
void put(std::atomic<T>& counter, T value) {
    counter.store(value, std::memory_order_relaxed);
}

}  // namespace pleat
