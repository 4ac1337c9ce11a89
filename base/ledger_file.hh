// The ledger as a file: its lines written and read. Used by run_ledger.cc (which adds
// to it) and clean.cc (which undoes what it says).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace pleat::ledger {

constexpr const char* kFileName = "ledger";
constexpr const char* kMarkVariable = "PLEAT_MARK=";

// Pids mean the same only within one boot and one PID namespace.
struct Machine {
    std::string boot;
    std::string pid_namespace;

    friend bool operator==(const Machine&, const Machine&) = default;
};

Machine this_machine();

struct Process {
    std::string role;
    pid_t pid = 0;
    std::uint64_t start_ticks = 0;
};

struct Path {
    std::string path;
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
};

struct Content {
    Machine machine;
    std::string run;
    std::string mark;
    std::vector<Process> processes;  // the first one is the owner
    std::vector<Path> paths;
};

std::string header_line(const Machine& machine, std::string_view run, std::string_view mark);
std::string process_line(std::string_view role, pid_t pid, std::uint64_t start_ticks);
std::string path_line(std::string_view path, std::uint64_t device, std::uint64_t inode);

// Throws when the line could not be written whole.
void append(int file, const std::string& directory, const std::string& line);

// Nothing when there is no ledger in `directory` or its first line is not one's. Other
// lines that can't be read (cut short by a full disk) are left out.
std::optional<Content> read(const std::string& directory);

// The name of a directory that is being made, and who is making it.
std::string draft_name(pid_t maker, std::uint64_t start_ticks, std::string_view run);
std::optional<Process> maker_of_draft(std::string_view name);

// Whether this very process lives.
bool alive(const Process& process);

// True when it was there, was the same inode and has been removed.
bool remove_if_same(const Path& path);
bool is_same(const Path& path);

}  // namespace pleat::ledger
