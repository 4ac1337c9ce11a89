#include "node/dataplane/kernel/bpffs.hh"

#include <array>
#include <cerrno>
#include <string_view>
#include <system_error>

#include <bpf/bpf.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.hh"

namespace pleat {

namespace {

// A link that leads nowhere.
constexpr const char* kMark = "run";

[[noreturn]] void fail_errno(const std::string& attempt, int error) {
    throw Failure{attempt + ": " + std::system_category().message(error)};
}

}  // namespace

FileDescriptor open_private_bpffs(const std::string& run) {
    // System calls themselves: the C library got them later than the kernels we run on.
    const FileDescriptor context{
        check("open a bpffs", static_cast<int>(::syscall(SYS_fsopen, "bpf", FSOPEN_CLOEXEC)))};
    check("make a bpffs", static_cast<int>(::syscall(SYS_fsconfig, context.value(),
                                                     FSCONFIG_CMD_CREATE, nullptr, nullptr, 0)));
    FileDescriptor directory{
        check("mount a bpffs",
              static_cast<int>(::syscall(SYS_fsmount, context.value(), FSMOUNT_CLOEXEC, 0)))};
    check("mark a bpffs", ::symlinkat(run.c_str(), directory.value(), kMark));
    return directory;
}

void check_bpffs(const FileDescriptor& directory, const std::string& run) {
    std::array<char, 256> text{};
    const ssize_t size = ::readlinkat(directory.value(), kMark, text.data(), text.size());
    if (size < 0) fail_errno("reading the mark of a bpffs", errno);
    const std::string_view found{text.data(), static_cast<std::size_t>(size)};
    if (found != run) {
        throw Failure{"what is pinned is of run " + std::string{found} + ", not of " + run};
    }
}

std::string path_of(const FileDescriptor& directory) {
    return "/proc/self/fd/" + std::to_string(directory.value());
}

void pin(int object, const std::string& directory, const std::string& name) {
    unpin(directory, name);
    const std::string path = directory + "/" + name;
    if (bpf_obj_pin(object, path.c_str()) < 0) fail_errno("pinning " + path, errno);
}

FileDescriptor pinned(const std::string& directory, const std::string& name) {
    const std::string path = directory + "/" + name;
    FileDescriptor object{bpf_obj_get(path.c_str())};
    if (!object.open()) fail_errno("taking over " + path, errno);
    return object;
}

void unpin(const std::string& directory, const std::string& name) {
    const std::string path = directory + "/" + name;
    if (::unlink(path.c_str()) < 0 && errno != ENOENT) fail_errno("removing " + path, errno);
}

}  // namespace pleat
