// pleat-keeper: started by pleat-node, one for each host, as the first process of the
// host's PID namespace or, with --on-machine, for a host that is the machine itself. It takes
// everything from its first message; its other arguments are for people who look at `ps`.

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file_descriptor.hh"
#include "node/keeper/keeper.hh"

namespace {

bool is_socket(int descriptor) {
    int type = 0;
    socklen_t size = sizeof type;
    return ::getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
           type == SOCK_SEQPACKET;
}

// Nobody's terminal or pipe must stay open because a keeper outlives its node.
void let_go_of_everything_else() {
    const int nothing = ::open("/dev/null", O_RDWR);
    for (int n = 0; n < pleat::keeper::kNodeDescriptor; ++n) ::dup2(nothing, n);
    ::syscall(SYS_close_range, pleat::keeper::kNodeDescriptor + 1, ~0U, 0U);
    ::setsid();
}

}  // namespace

int main(int argc, char** argv) {
    using pleat::keeper::Reach;
    const bool on_machine = argc > 1 && std::string_view{argv[1]} == pleat::keeper::kOnMachine;
    const Reach reach = on_machine ? Reach::descendants : Reach::pid_namespace;
    if (!is_socket(pleat::keeper::kNodeDescriptor) || (!on_machine && ::getpid() != 1)) {
        static_cast<void>(
            std::fputs("pleat-keeper is started by pleat-node, never by hand\n", stderr));
        return 2;
    }
    let_go_of_everything_else();
    ::fcntl(pleat::keeper::kNodeDescriptor, F_SETFD, FD_CLOEXEC);
    try {
        const char* const mark = std::getenv("PLEAT_MARK");  // NOLINT(concurrency-mt-unsafe)
        pleat::keeper::Keeper keeper{pleat::FileDescriptor{pleat::keeper::kNodeDescriptor},
                                     mark == nullptr ? "" : mark, reach};
        // No destructors: the kernel closes everything and ends the host's processes.
        ::_exit(keeper.run());
    } catch (const std::exception&) {
        ::_exit(1);  // the node sees the connection close
    }
}
