// Does something in a child process whose kernel has no BPF, as far as it can see: bpf(2) fails
// there with this error.
#pragma once

#include <functional>
#include <optional>
#include <string>

namespace pleat::testing {

// What the action returns; nothing where the kernel has no seccomp filters. "threw: …" when it
// throws.
std::optional<std::string> without_bpf(int error, const std::function<std::string()>& action);

}  // namespace pleat::testing
