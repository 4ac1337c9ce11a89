#include "node/host_commands.hh"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "wire/output_file.hh"

namespace pleat {

HostCommands::HostCommands(HostFleet& fleet, std::string run_directory)
    : fleet_{fleet}, run_directory_{std::move(run_directory)} {}

void HostCommands::execute(HostId host, const std::vector<std::string>& arguments) {
    fleet_.execute(host, ++last_token_, arguments);
}

void HostCommands::execute(HostId host, std::vector<std::string> arguments, Done done) {
    const std::uint32_t token = ++last_token_;
    const std::string file = fmt::format("{}/logs/exec-{}.out", run_directory_, token);
    std::vector<std::string> words{"sh", "-c", R"(f=$1; shift; exec "$@" >"$f" 2>&1)", "sh", file};
    std::ranges::move(arguments, std::back_inserter(words));
    executing_[token] = {.file = file, .done = std::move(done)};
    fleet_.execute(host, token, words);
}

void HostCommands::execute_logged(HostId host, const std::vector<std::string>& arguments,
                                  std::function<void(int)> done) {
    const std::uint32_t token = ++last_token_;
    executing_[token] = {
        .file = {},
        .done = [done = std::move(done)](int exit_code, const std::string&) { done(exit_code); }};
    fleet_.execute(host, token, arguments);
}

bool HostCommands::ended(const ExecEnded& ended) {
    const auto asked = executing_.find(ended.token);
    if (asked == executing_.end()) return false;
    const Executing each = std::move(asked->second);
    executing_.erase(asked);
    if (each.file.empty()) {
        each.done(ended.exit_code, {});
        return true;
    }
    each.done(ended.exit_code, read_output(each.file, 0).bytes);
    std::error_code ignored;
    std::filesystem::remove(each.file, ignored);
    return true;
}

}  // namespace pleat
