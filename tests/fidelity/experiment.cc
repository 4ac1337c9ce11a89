#include "tests/fidelity/experiment.hh"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <regex>
#include <sstream>
#include <utility>

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include "base/clock.hh"
#include "base/process.hh"

namespace pleat::fidelity {

namespace {

namespace fs = std::filesystem;

std::string contents(const fs::path& path) {
    std::ifstream file{path};
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

double wall_now() {
    return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch())
        .count();
}

struct RunningExperiment {
    Child child;
    fs::path out;
    fs::path document;
    double began_wall_s = 0;
};

RunningExperiment start(const Workspace& workspace, const fs::path& topology, int index) {
    const fs::path out = workspace.path() / ("runs-" + std::to_string(index));
    const fs::path document = workspace.path() / ("run-" + std::to_string(index) + ".json");
    fs::create_directories(out);
    const FileDescriptor stdout_file{
        ::open(document.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)};
    REQUIRE(stdout_file.open());
    Command command;
    command.arguments = {helper("pleat"), "run", topology.string(), "--json"};
    const bool elsewhere = !workspace.controller().empty();
    const std::string where = elsewhere ? workspace.controller() : out.string();
    command.arguments.insert(command.arguments.end(),
                             {elsewhere ? "--controller" : "--out", where});
    command.descriptors = {{stdout_file.value(), 1}};
    const double began = wall_now();
    auto child = Child::start(command);
    REQUIRE(child.has_value());
    return RunningExperiment{std::move(*child), elsewhere ? workspace.runs() : out, document,
                             began};
}

Run finish(RunningExperiment& running) {
    const auto status = running.child.wait_until(monotonic_now() + std::chrono::minutes{10});
    REQUIRE(status.has_value());
    Run run;
    run.exit_code = status->code();
    run.began_wall_s = running.began_wall_s;
    INFO(contents(running.document));
    run.document = nlohmann::json::parse(contents(running.document));
    run.directory = running.out / run.document.at("run").get<std::string>();
    return run;
}

// Of the answer of a run's run.db.
template <typename Take>
void for_each_row(const Run& run, const char* query, Take take) {
    sqlite3* opened = nullptr;
    REQUIRE(sqlite3_open_v2((run.directory / "run.db").c_str(), &opened, SQLITE_OPEN_READONLY,
                            nullptr) == SQLITE_OK);
    const std::unique_ptr<sqlite3, decltype(&sqlite3_close)> database{opened, &sqlite3_close};
    sqlite3_stmt* prepared = nullptr;
    REQUIRE(sqlite3_prepare_v2(opened, query, -1, &prepared, nullptr) == SQLITE_OK);
    const std::unique_ptr<sqlite3_stmt, decltype(&sqlite3_finalize)> statement{prepared,
                                                                               &sqlite3_finalize};
    while (sqlite3_step(prepared) == SQLITE_ROW) take(prepared);
}

double seconds(sqlite3_stmt* row, int column) {
    return static_cast<double>(sqlite3_column_int64(row, column)) / 1e9;
}

std::string text(sqlite3_stmt* row, int column) {
    std::string value;
    const unsigned char* bytes = sqlite3_column_text(row, column);
    for (int i = 0; i < sqlite3_column_bytes(row, column); ++i) {
        value += static_cast<char>(bytes[i]);
    }
    return value;
}

}  // namespace

std::string helper(const std::string& name) {
    return (fs::read_symlink("/proc/self/exe").parent_path() / name).string();
}

Workspace::Workspace(std::string controller, fs::path runs)
    : controller_{std::move(controller)}, runs_{std::move(runs)} {
    std::string pattern = (fs::temp_directory_path() / "pleat-fidelity-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
}

Workspace::~Workspace() {
    std::error_code ignored;
    if (std::getenv("PLEAT_KEEP") == nullptr) fs::remove_all(path_, ignored);
}

fs::path Workspace::write(const std::string& name, const std::string& text) const {
    const fs::path path = path_ / name;
    std::ofstream{path} << text;
    return path;
}

std::string Run::log(const std::string& host) const {
    return contents(directory / "logs" / (host + ".log"));
}

double Run::started_s(const std::string& host) const {
    for (const auto& entry : document.at("hosts")) {
        if (entry.at("name") == host) return entry.at("started_s").get<double>();
    }
    FAIL("no host " << host << " in the results");
    return 0;
}

std::vector<Run> run_together(const Workspace& workspace, const std::string& topology, int count) {
    const fs::path file = workspace.write("topology.yaml", topology);
    constexpr int kAtOnce = 2;
    std::vector<Run> runs;
    runs.reserve(static_cast<std::size_t>(count));
    for (int begun = 0; begun < count;) {
        std::vector<RunningExperiment> running;
        while (begun < count && running.size() < kAtOnce) {
            running.push_back(start(workspace, file, begun++));
        }
        for (RunningExperiment& experiment : running) runs.push_back(finish(experiment));
    }
    return runs;
}

Run run_once(const Workspace& workspace, const std::string& topology) {
    return run_together(workspace, topology, 1).front();
}

int repetitions() {
    const char* const text = std::getenv("PLEAT_REPEAT");
    return text == nullptr ? 1 : std::max(1, static_cast<int>(std::strtol(text, nullptr, 10)));
}

std::vector<Run> run_repeatedly(const Workspace& workspace, const std::string& topology) {
    std::vector<Run> runs;
    runs.reserve(static_cast<std::size_t>(repetitions()));
    for (int i = 0; i < repetitions(); ++i) runs.push_back(run_once(workspace, topology));
    return runs;
}

std::string congestion_control() {
    const char* const name = std::getenv("PLEAT_CC");
    if (name == nullptr) return "-C cubic";
    return std::string{name} == "default" ? "" : std::string{"-C "} + name;
}

bool is_cubic() {
    return congestion_control() == "-C cubic";
}

std::optional<double> received_bps(const std::string& log, double from, double to) {
    // [  5]   0.10-0.20   sec   712 KBytes  58345 Kbits/sec
    static const std::regex interval_line{
        R"(\]\s+([0-9.]+)-([0-9.]+)\s+sec\s+[0-9.]+ .?Bytes\s+([0-9.]+) Kbits/sec)"};
    double bits = 0;
    double seconds = 0;
    std::istringstream lines{log};
    for (std::string line; std::getline(lines, line);) {
        std::smatch match;
        if (!std::regex_search(line, match, interval_line)) continue;
        const double begin = std::stod(match[1]);
        const double end = std::stod(match[2]);
        if (begin < from || end > to || end - begin > 5) continue;  // not the summary
        bits += std::stod(match[3]) * 1000 * (end - begin);
        seconds += end - begin;
    }
    if (seconds < (to - from) * 0.8) return std::nullopt;
    return bits / seconds;
}

std::vector<Share> shares(const Run& run) {
    std::vector<Share> result;
    for_each_row(run,
                 "SELECT s.at_ns, a.name, b.name, s.share_bps FROM share s "
                 "JOIN host a ON a.host = s.source "
                 "JOIN host b ON b.host = s.destination ORDER BY s.at_ns",
                 [&result](sqlite3_stmt* row) {
                     result.push_back(Share{seconds(row, 0), text(row, 1), text(row, 2),
                                            sqlite3_column_double(row, 3)});
                 });
    return result;
}

std::vector<Late> lateness(const Run& run) {
    std::vector<Late> result;
    for_each_row(run, "SELECT at_ns, worst_ns, owed_ns FROM lateness ORDER BY at_ns",
                 [&result](sqlite3_stmt* row) {
                     result.push_back({seconds(row, 0), seconds(row, 1), seconds(row, 2)});
                 });
    return result;
}

double quantile(std::vector<double> values, double q) {
    REQUIRE_FALSE(values.empty());
    std::ranges::sort(values);
    const auto place =
        static_cast<std::size_t>(std::lround(q * static_cast<double>(values.size() - 1)));
    return values[place];
}

double median(std::vector<double> values) {
    return quantile(std::move(values), 0.5);
}

}  // namespace pleat::fidelity
