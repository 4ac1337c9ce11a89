// A bpffs of one's own, that is mounted nowhere: it is a descriptor, and what is pinned in
// it lives as long as somebody holds that descriptor (a host's keeper does, while a node
// daemon is restarted). Nothing is left to be unmounted.
#pragma once

#include <string>

#include "base/file_descriptor.hh"

namespace pleat {

// Throws where the kernel has no bpffs or we may not make one.
FileDescriptor open_private_bpffs();

// Where its files are, for those who take a path: "/proc/self/fd/N".
std::string path_of(const FileDescriptor& directory);

}  // namespace pleat
