#include "tests/bpf/without_bpf.hh"

#include <array>
#include <cstddef>
#include <exception>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.hh"
#include "base/file_descriptor.hh"

namespace pleat::testing {

namespace {

constexpr const char* kNoSeccomp = "no seccomp";

bool forbid_bpf(int error) {
    std::array<sock_filter, 4> program{{
        {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
        {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, __NR_bpf},
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error)},
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
    }};
    const sock_fprog all{static_cast<unsigned short>(program.size()), program.data()};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &all) == 0;
}

std::string outcome(const std::function<std::string()>& action) {
    try {
        return action();
    } catch (const std::exception& error) {
        return std::string{"threw: "} + error.what();
    }
}

}  // namespace

std::optional<std::string> without_bpf(int error, const std::function<std::string()>& action) {
    std::array<int, 2> ends{};
    check("make a pipe", ::pipe(ends.data()));
    const FileDescriptor reading{ends[0]};
    FileDescriptor writing{ends[1]};
    const pid_t child = ::fork();
    if (child == 0) {
        const std::string said = forbid_bpf(error) ? outcome(action) : kNoSeccomp;
        static_cast<void>(::write(writing.value(), said.data(), said.size()));
        ::_exit(0);
    }
    check("fork", child);
    writing.close();
    std::string said;
    std::array<char, 4096> part{};
    for (ssize_t n = 0; (n = ::read(reading.value(), part.data(), part.size())) > 0;) {
        said.append(part.data(), static_cast<std::size_t>(n));
    }
    ::waitpid(child, nullptr, 0);
    if (said == kNoSeccomp) return std::nullopt;
    return said;
}

}  // namespace pleat::testing
