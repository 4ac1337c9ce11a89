// BpfObject: one of our files of BPF programs and maps (bpf/CMakeLists.txt) on its way into the
// kernel: it is sized, given its constants, loaded; then its parts are taken out.
//
// (1) Sizes and constants are set before load(), parts are there after it.
// (2) What is taken out lives by itself; the object may go.
// (3) When the kernel refuses, its words are in the Failure: nothing is printed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/file_descriptor.hh"

struct bpf_object;

namespace pleat {

// Why the kernel would load no BPF program at all; nothing when it would.
std::string missing_for_bpf();

class BpfObject {
  public:
    // `owner` is said when something fails: "the edt plane". Throws Failure.
    BpfObject(std::string owner, const void* begin, const void* end);

    // Throws Failure when that is more than a map can have.
    void set_entries(const char* map, std::uint64_t entries);

    // The pattern of the maps in this map of maps.
    void set_inner_map(const char* map, int pattern);

    // Of the constant of this name; T is its type in the program.
    template <typename T>
    void set_constants(const T& constants) {
        set_constants(&constants, sizeof constants);
    }

    // It isn't loaded.
    void leave_out(const char* program);

    // Throws Failure: what is missing for any BPF at all, or which program is refused with the end
    // of what the verifier says, or "loading MAPS" of `for_what` when there is no memory.
    void load(const std::string& for_what = "");

    FileDescriptor map(const char* name) const;
    FileDescriptor program(const char* name) const;

  private:
    struct Close {
        void operator()(bpf_object* object) const noexcept;
    };

    void set_constants(const void* constants, std::size_t size);

    std::string owner_;
    std::unique_ptr<bpf_object, Close> object_;
};

}  // namespace pleat
