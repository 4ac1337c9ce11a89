#include "base/files.hh"

#include <algorithm>
#include <array>
#include <filesystem>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file_descriptor.hh"

namespace pleat {

namespace {

std::string reason(int error) {
    return std::system_category().message(error);
}

}  // namespace

std::optional<std::string> read_file(const std::string& path, std::size_t limit) {
    const FileDescriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (!file.open()) return std::nullopt;
    std::string content;
    std::array<char, 4096> chunk{};
    while (content.size() < limit) {
        const ssize_t n = ::read(file.value(), chunk.data(), chunk.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return std::nullopt;
        if (n == 0) break;
        content.append(chunk.data(), static_cast<std::size_t>(n));
    }
    if (content.size() > limit) content.resize(limit);
    return content;
}

Result<std::string> read_any_file(const std::string& path, std::size_t limit, Duration patience) {
    // Non-blocking: to open a pipe would wait for a writer.
    const FileDescriptor file{::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)};
    struct stat facts{};
    if (!file.open() || ::fstat(file.value(), &facts) != 0) return fail(reason(errno));
    if (S_ISDIR(facts.st_mode)) return fail("it is a directory");
    const std::string too_large = "it has more than " + std::to_string(limit >> 20U) + " MiB";
    if (S_ISREG(facts.st_mode) && facts.st_size > static_cast<off_t>(limit)) {
        return fail(too_large);
    }
    const auto wait_ms =
        static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(patience).count());
    std::string content;
    std::array<char, 65536> chunk{};
    while (true) {
        pollfd readable{file.value(), POLLIN, 0};
        const int ready = ::poll(&readable, 1, wait_ms);
        if (ready < 0 && errno == EINTR) continue;
        if (ready == 0) {
            return fail("nothing came from it within " + std::to_string(wait_ms / 1000) + " s");
        }
        const ssize_t n = ::read(file.value(), chunk.data(), chunk.size());
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (n < 0) return fail(reason(errno));
        if (n == 0) return content;
        content.append(chunk.data(), static_cast<std::size_t>(n));
        if (content.size() > limit) return fail(too_large);
    }
}

std::optional<Error> write_existing(const std::string& path, std::string_view content) {
    const FileDescriptor file{::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
    if (!file.open()) return Error{"cannot open " + path + ": " + reason(errno)};
    if (::write(file.value(), content.data(), content.size()) < 0) {
        return Error{"cannot write '" + std::string{content} + "' to " + path + ": " +
                     reason(errno)};
    }
    return std::nullopt;
}

void write_new_file(const std::string& path, std::string_view content) {
    FileDescriptor file{::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)};
    check("cannot create " + path, file.value());
    // The umask does not count: other users of a host read such files too.
    check("cannot set the mode of " + path, ::fchmod(file.value(), 0644));
    while (!content.empty()) {
        const ssize_t n = ::write(file.value(), content.data(), content.size());
        if (n < 0 && errno == EINTR) continue;
        check("cannot write " + path, static_cast<int>(std::min<ssize_t>(n, 0)));
        content.remove_prefix(static_cast<std::size_t>(n));
    }
}

void write_secret_file(const std::string& path, std::string_view content) {
    const std::string draft = path + ".new";
    ::unlink(draft.c_str());
    {
        const FileDescriptor file{
            ::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)};
        check("cannot create " + draft, file.value());
        while (!content.empty()) {
            const ssize_t n = ::write(file.value(), content.data(), content.size());
            if (n < 0 && errno == EINTR) continue;
            check("cannot write " + draft, static_cast<int>(std::min<ssize_t>(n, 0)));
            content.remove_prefix(static_cast<std::size_t>(n));
        }
        check("cannot write " + draft, ::fsync(file.value()));
    }
    check("cannot create " + path, ::rename(draft.c_str(), path.c_str()));
}

Result<std::string> read_secret_file(const std::string& path) {
    struct stat facts{};
    if (::stat(path.c_str(), &facts) != 0) {
        return fail("cannot read " + path + ": " + reason(errno));
    }
    if (facts.st_uid != ::geteuid() || (facts.st_mode & 0077U) != 0) {
        return fail(path +
                    " holds a secret, but others can reach it: make it yours alone (chmod 600)");
    }
    std::optional<std::string> content = read_file(path);
    if (!content) return fail("cannot read " + path);
    return *std::move(content);
}

void make_private_directory(const std::string& path) {
    std::error_code problem;
    if (std::filesystem::is_directory(path, problem)) return;
    const std::filesystem::path parent = std::filesystem::path{path}.parent_path();
    if (!parent.empty()) std::filesystem::create_directories(parent, problem);
    check("cannot create " + path, ::mkdir(path.c_str(), 0700));
}

}  // namespace pleat
