// The command line of pleat-controller.
#include "controller/options.hh"

#include <algorithm>
#include <filesystem>
#include <string_view>

namespace pleat {

Result<ControllerArguments> parse_controller_arguments(const std::vector<std::string>& arguments) {
    ControllerArguments result;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string& argument = arguments[i];
        // "--state DIR" or "--state=DIR"
        const auto value_of = [&](std::string_view flag, std::string& value) {
            if (argument == flag && i + 1 < arguments.size()) {
                value = arguments[++i];
                return true;
            }
            if (argument.starts_with(std::string{flag} + "=")) {
                value = argument.substr(flag.size() + 1);
                return true;
            }
            return false;
        };
        std::string endpoint;
        if (value_of("--listen", endpoint)) {
            result.endpoints.push_back(endpoint);
            continue;
        }
        if (value_of("--state", result.state_directory)) continue;
        if (argument == "--with-parent") {
            result.with_parent = true;
        } else if (argument == "--version") {
            result.version = true;
        } else if (argument == "--help" || argument == "-h") {
            result.help = true;
        } else if (argument == "--listen" || argument == "--state") {
            return fail(argument + " needs a value");
        } else {
            return fail("unknown argument '" + argument + "'");
        }
    }
    if (result.version || result.help) return result;
    if (result.state_directory.empty()) return fail("--state DIRECTORY is missing");
    // Who is on this machine, and may enter the directory, is always at home.
    const bool local = std::ranges::any_of(
        result.endpoints, [](const std::string& e) { return e.starts_with("ipc://"); });
    if (!local) {
        const std::string state = std::filesystem::absolute(result.state_directory).string();
        result.endpoints.insert(result.endpoints.begin(), "ipc://" + state + "/control");
    }
    return result;
}

std::string controller_usage() {
    return "pleat-controller --state DIRECTORY [--listen ENDPOINT]... [--with-parent]\n"
           "\n"
           "  --state DIRECTORY    where the database and the key are, or will be\n"
           "  --listen ENDPOINT    tcp://ADDRESS:7400 for other machines, which join with what\n"
           "                       `pleat machines token` prints; ipc:///PATH for this machine\n"
           "                       (without one: ipc://DIRECTORY/control)\n"
           "  --with-parent        end when the process that started this one ends\n"
           "  --version            print the version\n";
}

}  // namespace pleat
