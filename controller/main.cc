// pleat-controller: knows the topology, computes all epochs, conducts runs.
#include <csignal>
#include <exception>
#include <iostream>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.hh"
#include "controller/daemon.hh"
#include "controller/options.hh"

namespace {

constexpr int kUsage = 2;

// SIGTERM when our parent ends, also if it has ended already.
void follow_parent(pid_t parent) {
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() != parent) ::raise(SIGTERM);
}

int run(const pleat::ControllerArguments& arguments, pid_t parent) {
    boost::asio::io_context loop{1};
    // First: from now on a signal waits for us.
    boost::asio::signal_set signals{loop, SIGTERM, SIGINT, SIGHUP};
    pleat::ControllerDaemon daemon{loop,
                                   {.endpoints = arguments.endpoints,
                                    .state_directory = arguments.state_directory,
                                    .deadlines = {}},
                                   [&loop] { loop.stop(); }};

    std::function<void()> listen = [&] {
        signals.async_wait([&](const boost::system::error_code& error, int number) {
            if (error) return;
            daemon.stop("signal " + std::to_string(number));
            listen();
        });
    };
    listen();
    if (arguments.with_parent) follow_parent(parent);
    loop.run();
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    const pid_t parent = ::getppid();
    ::signal(SIGPIPE, SIG_IGN);
    pleat::log::begin("pleat-controller");
    const auto arguments = pleat::parse_controller_arguments({argv + 1, argv + argc});
    if (!arguments) {
        std::cerr << "pleat-controller: " << arguments.error().message << "\n\n"
                  << pleat::controller_usage();
        return kUsage;
    }
    if (arguments->version || arguments->help) {
        std::cout << (arguments->help ? pleat::controller_usage()
                                      : "pleat-controller " PLEAT_VERSION "\n");
        return 0;
    }
    try {
        return run(*arguments, parent);
    } catch (const std::exception& problem) {
        pleat::log::error("{}", problem.what());
        return 1;
    }
}
