#include "tests/system/programs.hh"

#include <filesystem>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace pleat::system_test {
namespace {

FileDescriptor memory_file(const char* name) {
    return FileDescriptor{check("cannot make a file in memory", ::memfd_create(name, MFD_CLOEXEC))};
}

std::string content(const FileDescriptor& file) {
    struct stat facts{};
    check("cannot look at captured output", ::fstat(file.value(), &facts));
    std::string text(static_cast<std::size_t>(facts.st_size), '\0');
    const ssize_t n = ::pread(file.value(), text.data(), text.size(), 0);
    text.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
    return text;
}

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
    return text;
}

Child start(Command command, const FileDescriptor& out, const FileDescriptor& err) {
    const FileDescriptor nothing{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
    command.descriptors.insert(command.descriptors.begin(),
                               {{nothing.value(), 0}, {out.value(), 1}, {err.value(), 2}});
    Result<Child> child = Child::start(command);
    if (!child) throw Failure{child.error().message};
    return std::move(*child);
}

}  // namespace

Program::Program(Command command)
    : what_{joined(command.arguments)},
      out_{memory_file("out")},
      err_{memory_file("err")},
      began_{monotonic_now()},
      child_{start(std::move(command), out_, err_)} {}

bool Program::ended() {
    return child_.wait_until(Instant{}).has_value();
}

std::string Program::out() const {
    return content(out_);
}

std::string Program::err() const {
    return content(err_);
}

Ended Program::finish(Duration patience) {
    const auto status = child_.wait_until(monotonic_now() + patience);
    const Duration took = monotonic_now() - began_;
    if (!status) {
        throw Failure{
            "'" + what_ + "' still runs after " +
            std::to_string(std::chrono::duration_cast<std::chrono::seconds>(took).count()) +
            " s; it wrote:\n" + out() + err()};
    }
    return {.code = status->code(), .out = out(), .err = err(), .took = took};
}

Ended run_program(Command command, Duration patience) {
    return Program{std::move(command)}.finish(patience);
}

std::string program_directory() {
    return std::filesystem::read_symlink("/proc/self/exe").parent_path().string();
}

std::string our_program(const std::string& name) {
    return program_directory() + "/" + name;
}

bool eventually(Duration patience, const std::function<bool()>& holds) {
    constexpr timespec kPause{0, 10'000'000};
    const Instant deadline = monotonic_now() + patience;
    while (!holds()) {
        if (monotonic_now() >= deadline) return false;
        ::nanosleep(&kPause, nullptr);
    }
    return true;
}

}  // namespace pleat::system_test
