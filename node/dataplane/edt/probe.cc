#include <thread>

#include <fcntl.h>
#include <sched.h>

#include "node/dataplane/edt/edt_object.hh"
#include "node/dataplane/edt/edt_plane.hh"
#include "node/dataplane/edt/host_shaping.hh"

namespace pleat {

namespace {

// On a thread that has left for a network namespace, which goes with it: nothing of the
// machine is touched, and nothing is left.
void try_it() {
    check("make a network namespace", ::unshare(CLONE_NEWNET));
    const FileDescriptor here{check("open the network namespace",
                                    ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC))};
    const EdtObject object = EdtObject::load(EdtSetup{});
    const HostShaping shaping{
        TrafficControl{here.value(), "lo"},
        {.mark = "pleat probe", .program = object.egress_program(), .classid = EDT_CLASSID(0)},
        SourceNeeds{}};
}

}  // namespace

std::string missing_for_edt() {
    std::string missing;
    std::thread{[&missing] {
        try {
            try_it();
        } catch (const std::exception& error) {
            missing = error.what();
        }
    }}.join();
    return missing;
}

}  // namespace pleat
