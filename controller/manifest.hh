// manifest.json: what a run was made with: versions, machine, seed, hashes of all path
// tables. With it a result can be judged and repeated elsewhere.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hh"
#include "controller/planner.hh"

namespace pleat {

// What of this machine has an influence on results.
struct MachineFacts {
    std::string host_name;
    std::string kernel;        // "Linux 6.1.0-18-amd64"
    std::string architecture;  // "x86_64"
    std::string processor;     // "AMD EPYC 7B13"
    std::uint32_t cores = 0;
    std::uint64_t memory_bytes = 0;
    std::string congestion_control;  // of TCP, the default: "cubic"
};

MachineFacts machine_facts();

// The document. `data_plane` is empty as long as it is not known.
std::string manifest_text(const RunPlan& plan, const MachineFacts& machine,
                          std::string_view data_plane, std::string_view now_utc);

// Puts `text` into the run's directory, in one step.
Result<void> write_manifest(const std::string& run_directory, const std::string& text);

}  // namespace pleat
