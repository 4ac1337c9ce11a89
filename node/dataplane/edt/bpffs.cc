#include "node/dataplane/edt/bpffs.hh"

#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.hh"

namespace pleat {

FileDescriptor open_private_bpffs() {
    // System calls themselves: the C library got them later than the kernels we run on.
    const FileDescriptor context{
        check("open a bpffs", static_cast<int>(::syscall(SYS_fsopen, "bpf", FSOPEN_CLOEXEC)))};
    check("make a bpffs", static_cast<int>(::syscall(SYS_fsconfig, context.value(),
                                                     FSCONFIG_CMD_CREATE, nullptr, nullptr, 0)));
    return FileDescriptor{
        check("mount a bpffs",
              static_cast<int>(::syscall(SYS_fsmount, context.value(), FSMOUNT_CLOEXEC, 0)))};
}

std::string path_of(const FileDescriptor& directory) {
    return "/proc/self/fd/" + std::to_string(directory.value());
}

}  // namespace pleat
