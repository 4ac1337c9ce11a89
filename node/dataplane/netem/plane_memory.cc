#include "node/dataplane/netem/plane_memory.hh"

#include <algorithm>
#include <new>
#include <string>
#include <utility>

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.hh"

namespace pleat {

namespace {

constexpr std::uint64_t kMagic = 0x706c6561746e6532;  // "pleatne2"

// At the beginning of the file; behind it what is given early, by host.
struct FileHead {
    std::uint64_t magic = kMagic;
    std::uint64_t hosts = 0;
    std::uint64_t destination_bytes = sizeof(DestinationMemory);
    std::uint64_t tcal_bytes = sizeof(TcalMemory);
    std::uint64_t row_bytes = sizeof(RowMemory);

    friend bool operator==(const FileHead&, const FileHead&) = default;
};

std::size_t in_pages(std::size_t bytes) {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    return (bytes + page - 1) / page * page;
}

FileDescriptor new_file(std::size_t bytes) {
    FileDescriptor file{
        check("make memory for the netem plane", ::memfd_create("pleat netem", MFD_CLOEXEC))};
    check("size the memory of the netem plane",
          ::ftruncate(file.value(), static_cast<off_t>(bytes)));
    return file;
}

std::size_t bytes_before_hosts(std::size_t hosts) {
    return in_pages(sizeof(FileHead) + hosts * sizeof(Duration));
}

void* mapped(int file, std::size_t bytes, std::size_t at) {
    void* const memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                                file, static_cast<off_t>(at));
    if (memory == MAP_FAILED) check("map the memory of the netem plane", -1);
    return memory;
}

}  // namespace

struct HostMemory::Head {
    std::uint16_t place = 0;
    bool is_cut = false;
    TcalMemory tcal;
};

namespace {

std::size_t host_bytes(std::size_t hosts, std::size_t head) {
    return in_pages(head + hosts * sizeof(RowMemory));
}

}  // namespace

HostMemory::~HostMemory() {
    ::munmap(begin_, bytes_);
}

HostMemory::Head& HostMemory::head() const {
    return *std::launder(static_cast<Head*>(begin_));
}

std::uint16_t& HostMemory::place() const {
    return head().place;
}

bool& HostMemory::is_cut() const {
    return head().is_cut;
}

TcalMemory& HostMemory::tcal() const {
    return head().tcal;
}

std::span<RowMemory> HostMemory::rows() const {
    auto* const first = static_cast<char*>(begin_) + sizeof(Head);
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): as PlaneMemory has laid it out
    return {std::launder(reinterpret_cast<RowMemory*>(first)), hosts_};
}

PlaneMemory::PlaneMemory(std::size_t hosts)
    : hosts_{hosts},
      memory_{new_file(bytes_before_hosts(hosts) +
                       hosts * host_bytes(hosts, sizeof(HostMemory::Head)))},
      head_{head_bytes()} {
    const FileHead head{.hosts = hosts};
    check("write the memory of the netem plane",
          static_cast<int>(::pwrite(memory_.value(), &head, sizeof head, 0)));
}

PlaneMemory::PlaneMemory(std::size_t hosts, FileDescriptor left)
    : hosts_{hosts}, memory_{std::move(left)}, head_{nullptr, Unmapped{0}} {
    const FileHead wanted{.hosts = hosts};
    FileHead found{};
    const bool whole = ::pread(memory_.value(), &found, sizeof found, 0) == sizeof found;
    if (!whole || found != wanted) {
        throw Failure{"what the netem plane has left is of another version, or of " +
                      std::to_string(found.hosts) + " hosts, not " + std::to_string(hosts)};
    }
    head_ = head_bytes();
}

void PlaneMemory::Unmapped::operator()(void* begin) const noexcept {
    ::munmap(begin, bytes);
}

std::unique_ptr<void, PlaneMemory::Unmapped> PlaneMemory::head_bytes() const {
    const std::size_t bytes = bytes_before_hosts(hosts_);
    return {mapped(memory_.value(), bytes, 0), Unmapped{bytes}};
}

std::span<Duration> PlaneMemory::early() const {
    static_assert(sizeof(FileHead) % alignof(Duration) == 0);
    auto* const first = static_cast<char*>(head_.get()) + sizeof(FileHead);
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): as the file is laid out
    return {std::launder(reinterpret_cast<Duration*>(first)), hosts_};
}

std::unique_ptr<HostMemory> PlaneMemory::of(HostId host) const {
    PLEAT_ASSERT(host.value < hosts_);
    const std::size_t bytes = host_bytes(hosts_, sizeof(HostMemory::Head));
    void* const begin =
        mapped(memory_.value(), bytes, bytes_before_hosts(hosts_) + host.value * bytes);
    return std::unique_ptr<HostMemory>{new HostMemory{begin, bytes, hosts_}};
}

std::unique_ptr<HostMemory> PlaneMemory::apart() {
    return PlaneMemory{1}.of(HostId{0});
}

}  // namespace pleat
