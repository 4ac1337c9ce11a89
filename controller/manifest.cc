// manifest.json.
#include "controller/manifest.hh"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/utsname.h>
#include <unistd.h>

namespace pleat {

namespace {

// What stands behind "NAME :" in a file of /proc; empty when it is not there.
std::string field_of(const std::string& path, std::string_view name) {
    std::ifstream file{path};
    for (std::string line; std::getline(file, line);) {
        if (!line.starts_with(name)) continue;
        const std::size_t colon = line.find(':');
        const std::size_t start = line.find_first_not_of(" \t", colon + 1);
        return colon == std::string::npos || start == std::string::npos ? "" : line.substr(start);
    }
    return {};
}

std::string first_line(const std::string& path) {
    std::ifstream file{path};
    std::string line;
    std::getline(file, line);
    return line;
}

}  // namespace

MachineFacts machine_facts() {
    MachineFacts facts;
    utsname names{};
    if (::uname(&names) == 0) {
        facts.host_name = std::data(names.nodename);
        facts.kernel = fmt::format("{} {}", std::data(names.sysname), std::data(names.release));
        facts.architecture = std::data(names.machine);
    }
    facts.processor = field_of("/proc/cpuinfo", "model name");
    facts.cores = std::thread::hardware_concurrency();
    const long pages = ::sysconf(_SC_PHYS_PAGES);
    const long page_bytes = ::sysconf(_SC_PAGESIZE);
    if (pages > 0 && page_bytes > 0) {
        facts.memory_bytes =
            static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page_bytes);
    }
    facts.congestion_control = first_line("/proc/sys/net/ipv4/tcp_congestion_control");
    return facts;
}

std::string manifest_text(const RunPlan& plan, const MachineFacts& machine,
                          std::string_view data_plane, std::string_view now_utc) {
    using Json = nlohmann::ordered_json;
    Json tables = Json::array();
    const std::vector<std::uint64_t> hashes = table_hashes(plan.epochs);
    for (std::size_t i = 0; i < hashes.size(); ++i) {
        tables.push_back({{"version", plan.epochs.base.version()},
                          {"epoch", i},
                          {"start_ns", plan.epochs.epochs[i].start.time_since_epoch().count()},
                          {"hash", hash_text(hashes[i])}});
    }
    Json document = {
        {"v", 1},
        {"pleat", PLEAT_VERSION},
        {"run", plan.options.run},
        {"name", plan.scenario.name},
        {"seed", plan.scenario.seed},
        {"submitted_at", now_utc},
        {"data_plane", data_plane.empty() ? Json(nullptr) : Json(data_plane)},
        {"machine",
         {{"host_name", machine.host_name},
          {"kernel", machine.kernel},
          {"architecture", machine.architecture},
          {"processor", machine.processor},
          {"cores", machine.cores},
          {"memory_bytes", machine.memory_bytes},
          {"tcp_congestion_control", machine.congestion_control}}},
        {"path_tables", std::move(tables)},
    };
    // Names may hold bytes that are no UTF-8.
    return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<void> write_manifest(const std::string& run_directory, const std::string& text) {
    const std::string path = run_directory + "/manifest.json";
    const std::string fresh = path + ".new";
    {
        std::ofstream file{fresh, std::ios::binary | std::ios::trunc};
        file << text;
        file.flush();
        if (!file) return fail(fmt::format("cannot write {}", fresh));
    }
    if (std::rename(fresh.c_str(), path.c_str()) != 0) {
        return fail(fmt::format("cannot rename {} to {}", fresh, path));
    }
    return {};
}

}  // namespace pleat
