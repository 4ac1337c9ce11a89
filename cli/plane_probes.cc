#include "cli/plane_probes.hh"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include "base/clock.hh"
#include "base/file_descriptor.hh"
#include "base/process.hh"

namespace pleat {
namespace {

// Until the other end closes it; less when the deadline comes first.
std::string read_until(int descriptor, Instant deadline) {
    std::string text;
    std::array<char, 4096> buffer{};
    while (true) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - monotonic_now());
        pollfd wait{descriptor, POLLIN, 0};
        const int n = ::poll(&wait, 1, static_cast<int>(std::max<long>(left.count(), 0)));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return text;
        const ssize_t size = ::read(descriptor, buffer.data(), buffer.size());
        if (size <= 0) return text;
        text.append(buffer.data(), static_cast<std::size_t>(size));
    }
}

}  // namespace

PlaneProbes parse_plane_probes(std::string_view lines) {
    PlaneProbes probes;
    while (!lines.empty()) {
        const std::size_t end = std::min(lines.find('\n'), lines.size());
        const std::string_view line = lines.substr(0, end);
        lines.remove_prefix(std::min(end + 1, lines.size()));
        const std::size_t tab = line.find('\t');
        if (tab == std::string_view::npos) continue;
        const std::string_view name = line.substr(0, tab);
        const std::string_view answer = line.substr(tab + 1);
        constexpr std::string_view kLacks = "lacks\t";
        std::string missing;
        if (answer.size() > kLacks.size() && answer.starts_with(kLacks)) {
            missing = answer.substr(kLacks.size());
        } else if (answer != "works") {
            continue;
        }
        if (const auto plane = plane_named(name)) {
            probes.planes.push_back({*plane, std::move(missing)});
        } else if (name == "machines") {
            probes.missing_for_machines = std::move(missing);
        }
    }
    return probes;
}

Result<PlaneProbes> probe_planes(const std::string& node_program, Duration patience) {
    const Instant deadline = monotonic_now() + patience;
    std::array<int, 2> ends{};
    check("cannot make a pipe", ::pipe2(ends.data(), O_CLOEXEC));
    const FileDescriptor reading{ends[0]};
    FileDescriptor writing{ends[1]};
    const FileDescriptor nothing{::open("/dev/null", O_RDWR | O_CLOEXEC)};
    check("cannot open /dev/null", nothing.value());
    Command command;
    command.arguments = {node_program, "--probe-planes"};
    command.descriptors = {{nothing.value(), STDIN_FILENO},
                           {writing.value(), STDOUT_FILENO},
                           {writing.value(), STDERR_FILENO}};
    command.parent_death_signal = SIGKILL;
    Result<Child> child = Child::start(command);
    if (!child) return fail(child.error().message);
    writing.close();
    const std::string said = read_until(reading.value(), deadline);
    if (!child->wait_until(deadline)) return fail("its probes took too long");
    PlaneProbes probes = parse_plane_probes(said);
    if (probes.planes.empty()) {
        return fail(said.empty() ? "it said nothing" : said.substr(0, said.find('\n')));
    }
    return probes;
}

std::variant<PlaneChoice, PlaneRefusal> choice_among(const std::vector<PlaneProbe>& probes) {
    return choose_plane({}, std::nullopt, [&probes](PlaneKind plane) -> std::string {
        const auto probe = std::ranges::find(probes, plane, &PlaneProbe::plane);
        return probe == probes.end() ? "not probed" : probe->missing;
    });
}

}  // namespace pleat
