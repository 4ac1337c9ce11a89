#include "node/dataplane/kernel/mapped_array.hh"

#include <cerrno>
#include <cstdint>
#include <cstring>

#include <bpf/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.hh"

namespace pleat {

MappedMemory::MappedMemory(int map, const std::string& name, std::size_t entry_bytes) {
    bpf_map_info info{};
    std::uint32_t size = sizeof info;
    if (bpf_obj_get_info_by_fd(map, &info, &size) < 0) {
        throw Failure{"asking the kernel about the BPF map '" + name +
                      "': " + std::strerror(errno)};
    }
    if (info.value_size != entry_bytes) {
        throw Failure{"the BPF map '" + name + "' is another version's: its entries have " +
                      std::to_string(info.value_size) + " bytes, not " +
                      std::to_string(entry_bytes)};
    }
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    bytes_ = (std::size_t{info.max_entries} * entry_bytes + page - 1) / page * page;
    void* const memory = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
    if (memory == MAP_FAILED) {
        throw Failure{"mapping the BPF map '" + name + "': " + std::strerror(errno)};
    }
    begin_ = memory;
    entries_ = info.max_entries;
}

MappedMemory::~MappedMemory() {
    if (begin_ != nullptr) ::munmap(begin_, bytes_);
}

}  // namespace pleat
