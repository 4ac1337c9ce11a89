// ScratchInterface: the loopback interface of a network namespace of its own.
#pragma once

#include <exception>
#include <thread>

#include <fcntl.h>
#include <sched.h>

#include "base/error.hh"
#include "base/file_descriptor.hh"
#include "node/dataplane/netem/tc_messages.hh"

namespace pleat::testing {

class ScratchInterface {
  public:
    ScratchInterface() {
        std::exception_ptr failed;
        std::thread{[this, &failed] {
            try {
                check("make a network namespace", ::unshare(CLONE_NEWNET));
                namespace_ =
                    FileDescriptor{check("open the network namespace",
                                         ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC))};
            } catch (...) {
                failed = std::current_exception();
            }
        }}.join();
        if (failed) std::rethrow_exception(failed);
    }

    int network_namespace() const { return namespace_.value(); }

    TcMessages messages() const {
        RouteSocket socket{namespace_.value()};
        return TcMessages{socket.interface_index("lo")};
    }

  private:
    FileDescriptor namespace_;
};

}  // namespace pleat::testing
