// pleat-node: this machine's part of a run. Reads as the architecture does: a loop, the
// controller's connection, and what the controller asks for.
#include <csignal>
#include <exception>
#include <iostream>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.hh"
#include "base/namespaces.hh"
#include "base/realtime.hh"
#include "node/daemon.hh"
#include "node/dataplane/open_plane.hh"
#include "node/options.hh"

namespace {

// SIGTERM when our parent ends, also if it has ended already.
void follow_parent(pid_t parent) {
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() != parent) ::raise(SIGTERM);
}

int run(const pleat::NodeOptions& options, pid_t parent) {
    if (::geteuid() != 0) pleat::become_root_of_user_namespace();
    if (options.probe_planes) {
        std::cout << pleat::plane_probe_lines();
        return 0;
    }

    boost::asio::io_context loop{1};
    boost::asio::signal_set signals{loop, SIGTERM, SIGINT, SIGHUP};
    // After the change of credentials, which forgets it.
    if (options.with_parent) follow_parent(parent);
    // As packet threads, ours and those of other runs, which may fill all processors.
    static_cast<void>(pleat::take_realtime_priority());
    pleat::NodeDaemon daemon{loop, options};
    signals.async_wait([&daemon](const boost::system::error_code& error, int number) {
        if (!error) daemon.stop(std::string{"signal "} + std::to_string(number));
    });
    loop.run();
    return daemon.exit_code();
}

}  // namespace

int main(int argc, char** argv) {
    const pid_t parent = ::getppid();
    ::signal(SIGPIPE, SIG_IGN);
    pleat::log::begin("pleat-node");
    try {
        int exit_code = 0;
        const auto options = pleat::parse_node_options(argc, argv, exit_code);
        return options ? run(*options, parent) : exit_code;
    } catch (const pleat::MissingFeature& error) {
        pleat::log::error("{}", error.what());
        return pleat::NodeFailed::kMissingFeature;
    } catch (const std::exception& error) {
        pleat::log::error("{}", error.what());
        return 1;
    }
}
