// The command line of pleat-controller.
#pragma once

#include <string>
#include <vector>

#include "base/result.hh"

namespace pleat {

struct ControllerArguments {
    std::vector<std::string> endpoints;  // by default ipc://STATE/control
    std::string state_directory;
    bool with_parent = false;  // end when the process that started us does
    bool version = false;
    bool help = false;
};

// `arguments` without the program's name.
Result<ControllerArguments> parse_controller_arguments(const std::vector<std::string>& arguments);

std::string controller_usage();

}  // namespace pleat
