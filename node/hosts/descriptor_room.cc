#include "node/hosts/descriptor_room.hh"

#include <algorithm>

#include <sys/resource.h>

namespace pleat {

namespace {

constexpr std::uint64_t kOtherDescriptors = 256;

}  // namespace

std::uint64_t make_descriptor_room(std::size_t hosts, std::size_t each) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
    const std::uint64_t before = limit.rlim_cur;
    const std::uint64_t wanted = hosts * each + kOtherDescriptors;
    if (before < wanted) {
        limit.rlim_cur = std::min<rlim_t>(wanted, limit.rlim_max);
        static_cast<void>(::setrlimit(RLIMIT_NOFILE, &limit));
    }
    return before;
}

}  // namespace pleat
