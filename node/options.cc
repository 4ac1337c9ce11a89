#include "node/options.hh"

#include <filesystem>

#include <CLI/CLI.hpp>

namespace pleat {

std::optional<NodeOptions> parse_node_options(int argc, char** argv, int& exit_code) {
    NodeOptions options;
    CLI::App app{"pleat-node: runs hosts of an emulated network on this machine", "pleat-node"};
    app.set_version_flag("--version", "pleat-node " PLEAT_VERSION);
    app.add_option("--controller", options.controller,
                   "endpoint of the controller (ipc://… or tcp://…)");
    app.add_option("--name", options.name, "name of this machine")->capture_default_str();
    app.add_option("--runtime", options.runtime_directory, "directory for sockets and the ledger");
    app.add_option("--data-plane", options.data_plane, "edt, netem or tun (default: chosen)")
        ->check(CLI::IsMember({"edt", "netem", "tun"}));
    app.add_flag("--probe-planes", options.probe_planes,
                 "say what this machine lacks for each data plane, and end");
    app.add_option("--keeper", options.keeper_program, "path of pleat-keeper");
    app.add_flag("--with-parent", options.with_parent, "end when the process that started us does");
    try {
        app.parse(argc, argv);
        const bool complete = !options.controller.empty() && !options.runtime_directory.empty();
        if (!options.probe_planes && !complete) {
            throw CLI::RequiredError("--controller and --runtime");
        }
    } catch (const CLI::ParseError& error) {
        exit_code = app.exit(error) == 0 ? 0 : 2;
        return std::nullopt;
    }
    if (options.keeper_program.empty()) {
        const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe");
        options.keeper_program = (self.parent_path() / "pleat-keeper").string();
    }
    return options;
}

}  // namespace pleat
