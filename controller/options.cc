// The command line of pleat-controller.
#include "controller/options.hh"

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
        if (value_of("--listen", result.endpoint)) continue;
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
    if (result.endpoint.empty()) return fail("--listen ENDPOINT is missing");
    if (result.state_directory.empty()) return fail("--state DIRECTORY is missing");
    return result;
}

std::string controller_usage() {
    return "pleat-controller --listen ENDPOINT --state DIRECTORY [--with-parent]\n"
           "\n"
           "  --listen ENDPOINT    ipc:///PATH or tcp://127.0.0.1:PORT\n"
           "  --state DIRECTORY    where the database is, or will be\n"
           "  --with-parent        end when the process that started this one ends\n"
           "  --version            print the version\n";
}

}  // namespace pleat
