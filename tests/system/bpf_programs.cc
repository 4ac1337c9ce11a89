#include "tests/system/bpf_programs.hh"

#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace pleat::system_test {

std::size_t bpf_programs() {
    std::size_t count = 0;
    bpf_attr attribute{};
    while (::syscall(SYS_bpf, BPF_PROG_GET_NEXT_ID, &attribute, sizeof attribute) == 0) {
        attribute.start_id = attribute.next_id;
        ++count;
    }
    return count;
}

}  // namespace pleat::system_test
