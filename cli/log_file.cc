#include "cli/log_file.hh"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file_descriptor.hh"

namespace pleat {
namespace {

// Enough for any tail that is worth showing.
constexpr off_t kTailBytes = 4096;

}  // namespace

std::string log_tail(const std::string& path, std::size_t lines) {
    const FileDescriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (!file.open()) return {};
    const off_t size = ::lseek(file.value(), 0, SEEK_END);
    const off_t from = std::max<off_t>(0, size - kTailBytes);
    std::array<char, kTailBytes> buffer{};
    const ssize_t got = ::pread(file.value(), buffer.data(), buffer.size(), from);
    if (got <= 0) return {};

    std::vector<std::string_view> found;
    std::string_view text{buffer.data(), static_cast<std::size_t>(got)};
    // The first line of a window into a longer file is a part of one.
    if (from > 0) text.remove_prefix(std::min(text.find('\n') + 1, text.size()));
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        if (end > 0) found.push_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    std::string result;
    const std::size_t first = found.size() > lines ? found.size() - lines : 0;
    for (std::size_t i = first; i < found.size(); ++i) {
        result.append("  | ").append(found[i]).append("\n");
    }
    return result;
}

std::string last_words(const std::string& log) {
    const std::string tail = log_tail(log);
    if (!tail.empty()) return "; the end of its log:\n" + tail;
    struct statvfs device{};
    const bool full = ::statvfs(log.c_str(), &device) == 0 && device.f_bavail == 0;
    return full ? "; its log is empty, as no space is left on the device of " + log : "";
}

}  // namespace pleat
