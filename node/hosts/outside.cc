#include "node/hosts/outside.hh"

#include <algorithm>
#include <array>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/error.hh"

namespace pleat {

namespace {

// Ranges that hardly any machine routes: benchmarks' (RFC 2544), and shared address
// space (RFC 6598) for runs that use the former themselves.
constexpr std::array<std::uint32_t, 2> kRanges{0xc6120000, 0x647f0000};
constexpr int kPrefix = 24;

bool overlap(const AddressPlan& addresses, std::uint32_t range) {
    const int shorter = std::min(addresses.prefix_length, kPrefix);
    if (shorter == 0) return true;
    const std::uint32_t mask = ~std::uint32_t{0} << (32 - shorter);
    return (addresses.base & mask) == (range & mask);
}

}  // namespace

OutsideNetwork outside_network(const AddressPlan& addresses) {
    for (const std::uint32_t range : kRanges) {
        if (overlap(addresses, range)) continue;
        // slirp4netns' own numbering.
        return {ipv4_text(range) + "/" + std::to_string(kPrefix), ipv4_text(range + 2),
                ipv4_text(range + 3)};
    }
    throw Failure{"the run's addresses leave no range for @outside; choose a smaller `addresses:`"};
}

Child connect_outside(pid_t keeper, const OutsideNetwork& network, int until_closed,
                      const std::string& log, Duration patience) {
    std::array<int, 2> ends{};
    check("cannot make a pipe", ::pipe2(ends.data(), O_CLOEXEC));
    const FileDescriptor ready{ends[0]};
    FileDescriptor says_ready{ends[1]};
    const FileDescriptor output{
        ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)};
    check("cannot open " + log, output.value());
    const FileDescriptor nothing{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
    constexpr int kReady = 3;
    constexpr int kExit = 4;
    Command command;
    command.arguments = {"slirp4netns",
                         "--configure",
                         "--mtu=1500",
                         "--cidr=" + network.range,
                         "--ready-fd=" + std::to_string(kReady),
                         "--exit-fd=" + std::to_string(kExit),
                         std::to_string(keeper),
                         "outside0"};
    command.descriptors = {{nothing.value(), 0},
                           {output.value(), 1},
                           {output.value(), 2},
                           {says_ready.value(), kReady},
                           {until_closed, kExit}};
    command.new_session = true;
    Result<Child> child = Child::start(command);
    if (!child) {
        throw MissingFeature{"@outside needs slirp4netns: " + child.error().message +
                             " (see 'pleat doctor')"};
    }
    says_ready.close();
    const Instant deadline = monotonic_now() + patience;
    while (true) {
        pollfd wait{ready.value(), POLLIN, 0};
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - monotonic_now());
        const int n = ::poll(&wait, 1, static_cast<int>(std::max<long>(left.count(), 0)));
        if (n < 0 && errno == EINTR) continue;
        char byte = 0;
        if (n > 0 && ::read(ready.value(), &byte, 1) == 1) return std::move(*child);
        throw Failure{n == 0 ? "slirp4netns was not ready in time; its output is in " + log
                             : "slirp4netns ended at once; its output is in " + log};
    }
}

}  // namespace pleat
