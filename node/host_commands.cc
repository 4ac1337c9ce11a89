#include "node/host_commands.hh"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "wire/output_file.hh"

namespace pleat {

namespace {

// What a command writes is told so often, a megabyte at a time: who follows it sees it as it
// comes, and one that writes without end fills no memory.
constexpr Duration kLook = std::chrono::milliseconds{100};

}  // namespace

HostCommands::HostCommands(boost::asio::io_context& loop, HostFleet& fleet,
                           std::string run_directory)
    : fleet_{fleet},
      run_directory_{std::move(run_directory)},
      timer_{loop, kLook, [this](Instant) { tell_all(); }} {}

void HostCommands::execute(HostId host, const std::vector<std::string>& arguments) {
    fleet_.execute(host, ++last_token_, arguments);
}

void HostCommands::execute(HostId host, std::vector<std::string> arguments, Told told) {
    const std::uint32_t token = ++last_token_;
    const std::string file = fmt::format("{}/logs/exec-{}.out", run_directory_, token);
    std::vector<std::string> words{"sh", "-c", R"(f=$1; shift; exec "$@" >"$f" 2>&1)", "sh", file};
    std::ranges::move(arguments, std::back_inserter(words));
    executing_[token] = {.file = file, .told = std::move(told), .offset = 0, .exit_code = {}};
    fleet_.execute(host, token, words);
    timer_.start();
}

void HostCommands::execute_logged(HostId host, const std::vector<std::string>& arguments,
                                  std::function<void(int)> done) {
    const std::uint32_t token = ++last_token_;
    executing_[token] = {
        .file = {},
        .told = [done = std::move(done)](std::optional<int> exit_code,
                                         const std::string&) { done(exit_code.value()); },
        .offset = 0,
        .exit_code = {}};
    fleet_.execute(host, token, arguments);
}

bool HostCommands::ended(const ExecEnded& ended) {
    auto executing = executing_.extract(ended.token);
    if (!executing) return false;
    executing.mapped().exit_code = ended.exit_code;
    if (!tell(executing.mapped())) executing_.insert(std::move(executing));
    return true;
}

bool HostCommands::tell(Executing& each) {
    OutputPiece piece;
    if (!each.file.empty()) piece = read_output(each.file, each.offset);
    each.offset += piece.bytes.size();
    const bool last = each.exit_code && each.offset >= piece.size;
    if (last && !each.file.empty()) {
        std::error_code ignored;
        std::filesystem::remove(each.file, ignored);
    }
    if (last || !piece.bytes.empty()) {
        each.told(last ? each.exit_code : std::nullopt, std::move(piece.bytes));
    }
    return last;
}

void HostCommands::tell_all() {
    const auto has_file = [](const auto& each) { return !each.second.file.empty(); };
    for (auto each = executing_.begin(); each != executing_.end();) {
        each = has_file(*each) && tell(each->second) ? executing_.erase(each) : std::next(each);
    }
    if (std::ranges::none_of(executing_, has_file)) timer_.stop();
}

}  // namespace pleat
