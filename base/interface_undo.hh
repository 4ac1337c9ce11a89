// InterfaceUndo: how to put back what an interface of this machine had before a run changed its
// traffic control, kept in the run's runtime directory, so that whoever finds that directory can do
// it: the node at the end, `clean`, or the next node daemon.
//
// It holds requests of rtnetlink as they are sent, made while the interface was as it was.
// (1) Something is undone only while it is there: one request of `ours` (which remove what only
//     the run has made) must succeed before those of `then` are sent.
// (2) Of an interface that is another one by now, or is gone, nothing is undone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace pleat {

struct InterfaceUndo {
    std::string interface;
    unsigned index = 0;
    std::uint64_t network_namespace = 0;  // its inode
    std::vector<std::string> ours;
    std::vector<std::string> then;

    friend bool operator==(const InterfaceUndo&, const InterfaceUndo&) = default;
};

// The inode of the caller's network namespace.
std::uint64_t this_network_namespace();

// One a directory. Throw; reading does when there is one that says nothing: then it is not known
// what the interface had.
void write_interface_undo(const std::string& directory, const InterfaceUndo& undo);
std::optional<InterfaceUndo> read_interface_undo(const std::string& directory);
void remove_interface_undo(const std::string& directory);

// Does what the directory says and removes it from there. Nothing when there was nothing to do,
// else the interface's name. Throws Failure when the interface is of another network namespace,
// when the file is damaged, or when the kernel can't be asked.
std::optional<std::string> undo_interface(const std::string& directory);

}  // namespace pleat
