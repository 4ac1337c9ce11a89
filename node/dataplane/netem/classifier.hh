// Classifier: the BPF program of the `netem` plane, loaded once, and its maps. An interface
// that has it is a source, with a row for each destination.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <utility>

#include "base/duration.hh"
#include "base/file_descriptor.hh"
#include "bpf/shared/netem.h"
#include "model/addressing.hh"

struct bpf_object;
struct ring_buffer;

namespace pleat {

// Memory that is shared with the kernel.
template <typename T>
class MappedArray {
  public:
    MappedArray() = default;
    // Of a map whose values are Ts; throws.
    MappedArray(int map, std::size_t size);

    MappedArray(MappedArray&& other) noexcept
        : begin_{std::exchange(other.begin_, nullptr)}, size_{std::exchange(other.size_, 0)} {}

    MappedArray& operator=(MappedArray&& other) noexcept {
        std::swap(begin_, other.begin_);
        std::swap(size_, other.size_);
        return *this;
    }

    ~MappedArray();

    T& operator[](std::size_t i) const { return begin_[i]; }

    std::span<T> all() const { return {begin_, size_}; }

  private:
    T* begin_ = nullptr;
    std::size_t size_ = 0;
};

class Classifier {
  public:
    // Of hosts 0 .. hosts - 1. Throws Failure with the verifier's words when the kernel does
    // not take the program. `fake_time`: the clock is control().fake_now_ns; for tests.
    Classifier(const AddressPlan& addresses, std::size_t hosts, bool pass_unknown, Duration idle,
               bool fake_time = false);
    Classifier(const Classifier&) = delete;
    Classifier& operator=(const Classifier&) = delete;
    ~Classifier();

    int egress_program() const;
    int cut_program() const;

    // Rows of one source; none leads anywhere. Kept as long as the kernel or we need them.
    struct Source {
        std::uint16_t place = 0;
        FileDescriptor map;
        MappedArray<netem_row> rows;
    };

    // Throws Failure.
    std::unique_ptr<Source> add_source(std::uint16_t place);
    void remove_source(const Source& source);

    void set_outside(std::uint32_t destination);

    const netem_totals& totals() const { return totals_[0]; }

    netem_control& control() { return control_[0]; }

    // Readable when there are events.
    int events_fd() const;
    void take_events(const std::function<void(const netem_event&)>& each);

    struct Close {
        void operator()(bpf_object* object) const;
        void operator()(ring_buffer* ring) const;
    };

  private:
    int map(const char* name) const;

    std::size_t hosts_;
    std::unique_ptr<bpf_object, Close> object_;
    MappedArray<netem_control> control_;
    MappedArray<netem_totals> totals_;
    std::unique_ptr<ring_buffer, Close> events_;
    std::function<void(const netem_event&)> take_;
};

}  // namespace pleat
