// MappedArray: the kernel's own memory of an array map (BPF_F_MMAPABLE): what is stored is what
// the programs see.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <utility>

namespace pleat {

class MappedMemory {
  public:
    MappedMemory() = default;

    // All of the map, whose entries have to have this size; throws Failure.
    MappedMemory(int map, const std::string& name, std::size_t entry_bytes);

    MappedMemory(MappedMemory&& other) noexcept
        : begin_{std::exchange(other.begin_, nullptr)},
          bytes_{other.bytes_},
          entries_{std::exchange(other.entries_, 0)} {}

    MappedMemory& operator=(MappedMemory&& other) noexcept {
        std::swap(begin_, other.begin_);
        std::swap(bytes_, other.bytes_);
        std::swap(entries_, other.entries_);
        return *this;
    }

    ~MappedMemory();

    void* begin() const { return begin_; }

    std::size_t entries() const { return entries_; }

  private:
    void* begin_ = nullptr;
    std::size_t bytes_ = 0;
    std::size_t entries_ = 0;
};

template <typename T>
class MappedArray {
  public:
    MappedArray() = default;

    MappedArray(int map, const std::string& name) : memory_{map, name, sizeof(T)} {}

    std::size_t size() const { return memory_.entries(); }

    std::span<T> all() const { return {static_cast<T*>(memory_.begin()), size()}; }

    T& operator[](std::size_t i) const { return all()[i]; }

  private:
    MappedMemory memory_;
};

}  // namespace pleat
