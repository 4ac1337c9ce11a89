#include "node/options.hh"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>
#include <thread>

#include <CLI/CLI.hpp>
#include <unistd.h>

namespace pleat {

namespace {

// As systemd units and the XDG base directories have it.
std::string usual_state_directory() {
    if (::geteuid() == 0) return "/var/lib/pleat/node";
    const char* const state = std::getenv("XDG_STATE_HOME");  // NOLINT(concurrency-mt-unsafe)
    if (state != nullptr && *state == '/') return std::string{state} + "/pleat/node";
    const char* const home = std::getenv("HOME");  // NOLINT(concurrency-mt-unsafe)
    return std::string{home == nullptr ? "." : home} + "/.local/state/pleat/node";
}

}  // namespace

std::optional<NodeOptions> parse_node_options(int argc, char** argv, int& exit_code) {
    NodeOptions options;
    CLI::App app{"pleat-node: runs hosts of an emulated network on this machine", "pleat-node"};
    app.set_version_flag("--version", "pleat-node " PLEAT_VERSION);
    std::string join;
    options.name.clear();
    auto* const controller =
        app.add_option("--controller", options.controller,
                       "endpoint of a controller of this machine alone (ipc://…); for "
                       "`pleat run`");
    app.add_option("--runtime", options.runtime_directory,
                   "with --controller: directory for sockets and the ledger");
    app.add_option("--join", join,
                   "join a controller's cluster: what `pleat machines token` prints, or - to read "
                   "that from standard input. Needed once")
        ->excludes(controller);
    bool join_only = false;
    app.add_flag("--join-only", join_only, "join, and end")->excludes(controller);
    app.add_option("--name", options.name, "name of this machine");
    app.add_option("--state", options.state_directory, "where the membership and the runs are kept")
        ->excludes(controller);
    app.add_option("--advertise", options.advertise,
                   "address by which other machines reach this one (default: the one that leads "
                   "to the controller)")
        ->excludes(controller);
    app.add_option("--hosts", options.room, "hosts that this machine takes at most, of all runs")
        ->check(CLI::PositiveNumber);
    app.add_option("--spare-ports", options.spared_ports,
                   "ports of TCP and UDP that are never shaped where this machine itself is a host "
                   "(attach: machine:NAME) by the address of its control connections (default: 22)")
        ->delimiter(',');
    std::string tunnel_ports;
    app.add_option("--tunnel-ports", tunnel_ports,
                   "UDP ports for what hosts send to other machines, two a run at once: FIRST-LAST "
                   "(default: any that is free)")
        ->excludes(controller);
    app.add_option("--data-plane", options.data_plane,
                   "edt, netem or tun (default: chosen); or recording, which moves no packet, for "
                   "tests")
        ->check(CLI::IsMember({"edt", "netem", "tun", "recording"}));
    app.add_flag("--probe-planes", options.probe_planes,
                 "say what this machine lacks for each data plane, and end");
    app.add_option("--keeper", options.keeper_program, "path of pleat-keeper");
    app.add_flag("--with-parent", options.with_parent, "end when the process that started us does");
    try {
        app.parse(argc, argv);
        if (!options.controller.empty() && options.runtime_directory.empty()) {
            throw CLI::RequiredError("--runtime");
        }
        if (!tunnel_ports.empty()) {
            const Result<PortRange> ports = parse_port_range(tunnel_ports);
            if (!ports) throw CLI::ValidationError("--tunnel-ports", ports.error().message);
            options.tunnel_ports = *ports;
        }
    } catch (const CLI::ParseError& error) {
        exit_code = app.exit(error) == 0 ? 0 : 2;
        return std::nullopt;
    }
    if (options.controller.empty() && !options.probe_planes) {
        if (options.state_directory.empty()) options.state_directory = usual_state_directory();
        options.state_directory = std::filesystem::absolute(options.state_directory).string();
        if (join == "-" && !std::getline(std::cin, join)) join.clear();
        const Result<void> member = become_member(options, join);
        if (!member) {
            std::fprintf(stderr, "pleat-node: %s\n", member.error().message.c_str());
            exit_code = 1;
            return std::nullopt;
        }
        if (join_only) return std::nullopt;
    }
    options.processors = std::max(std::thread::hardware_concurrency(), 1U);
    if (options.name.empty()) options.name = "local";
    if (options.keeper_program.empty()) {
        const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe");
        options.keeper_program = (self.parent_path() / "pleat-keeper").string();
    }
    return options;
}

}  // namespace pleat
