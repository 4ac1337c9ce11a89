// A bpffs of one's own, that is mounted nowhere: it is a descriptor, and what is pinned in
// it lives as long as somebody holds that descriptor (a host's keeper does, while a node
// daemon is restarted). Nothing is left to be unmounted.
#pragma once

#include <string>

#include "base/file_descriptor.hh"

namespace pleat {

// Throws where the kernel has no bpffs or we may not make one. It carries the run's mark.
FileDescriptor open_private_bpffs(const std::string& run);

// Throws Failure when it is not that of this run.
void check_bpffs(const FileDescriptor& directory, const std::string& run);

// Where its files are, for those who take a path: "/proc/self/fd/N".
std::string path_of(const FileDescriptor& directory);

// Pins a program or map there; what has the name is replaced. Throws Failure.
void pin(int object, const std::string& directory, const std::string& name);

// Throws Failure when there is none.
FileDescriptor pinned(const std::string& directory, const std::string& name);

// One that is not there is no error.
void unpin(const std::string& directory, const std::string& name);

}  // namespace pleat
