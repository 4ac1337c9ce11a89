#pragma once

#include <cstddef>

namespace pleat::system_test {

// How many BPF programs the kernel holds; 0 where that can't be asked.
std::size_t bpf_programs();

}  // namespace pleat::system_test
