#include "cli/command_streams.hh"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string_view>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "base/error.hh"
#include "base/passed_descriptors.hh"

namespace pleat {

namespace {

FileDescriptor listen_at(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) throw Failure{"the path " + path + " is too long"};
    std::memcpy(address.sun_path, path.data(), path.size());
    FileDescriptor socket{::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)};
    check("cannot make a socket", socket.value());
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): as bind() wants it
    const auto* const any = reinterpret_cast<const sockaddr*>(&address);
    check("cannot listen at " + path, ::bind(socket.value(), any, sizeof address));
    check("cannot listen at " + path, ::listen(socket.value(), 1));
    return socket;
}

bool is_readable(int fd) {
    pollfd one{.fd = fd, .events = POLLIN, .revents = 0};
    return ::poll(&one, 1, 0) > 0;
}

// False when nobody takes it any more.
bool write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t n = ::write(fd, text.data(), text.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        text.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

}  // namespace

class CommandStreams::Impl {
  public:
    explicit Impl(const std::string& runtime_directory)
        : listener_{listen_at(runtime_directory + "/" + kCommandStreams)},
          stop_{check("cannot make an eventfd", ::eventfd(0, EFD_CLOEXEC))} {
        if (::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1) open_terminal();
        thread_ = std::thread{[this] { serve(); }};
    }

    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    ~Impl() {
        const std::uint64_t one = 1;
        static_cast<void>(!::write(stop_.value(), &one, sizeof one));
        thread_.join();
        if (before_) ::tcsetattr(STDIN_FILENO, TCSANOW, &*before_);
    }

    void follow_window() {
        winsize size{};
        if (!terminal_.open() || ::ioctl(STDIN_FILENO, TIOCGWINSZ, &size) != 0) return;
        if (size.ws_row == size_.ws_row && size.ws_col == size_.ws_col) return;
        size_ = size;
        ::ioctl(terminal_.value(), TIOCSWINSZ, &size);
    }

  private:
    using Buffer = std::array<char, 4096>;

    void open_terminal() {
        terminal_ = FileDescriptor{::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK)};
        check("cannot make a terminal for the command", terminal_.value());
        check("cannot make a terminal for the command", ::grantpt(terminal_.value()));
        check("cannot make a terminal for the command", ::unlockpt(terminal_.value()));
        // By the number, since the path may be another's in our mount namespace.
        commands_end_ =
            FileDescriptor{::ioctl(terminal_.value(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC)};
        check("cannot make a terminal for the command", commands_end_.value());
        termios settings{};
        if (::tcgetattr(STDIN_FILENO, &settings) == 0) {
            ::tcsetattr(commands_end_.value(), TCSANOW, &settings);
        }
        follow_window();
    }

    void serve() {
        if (!give()) return;
        if (terminal_.open()) pass_on();
    }

    // Waits for the keeper. False: the run is over before.
    bool give() {
        for (;;) {
            std::array<pollfd, 2> waits{
                {{stop_.value(), POLLIN, 0}, {listener_.value(), POLLIN, 0}}};
            if (::poll(waits.data(), waits.size(), -1) < 0) continue;
            if (waits[0].revents != 0) return false;
            const FileDescriptor taker{
                ::accept4(listener_.value(), nullptr, nullptr, SOCK_CLOEXEC)};
            if (!taker.open()) continue;
            const int end = commands_end_.value();
            const std::array<int, 3> given =
                terminal_.open()
                    ? std::array{end, end, ::isatty(STDERR_FILENO) == 1 ? end : STDERR_FILENO}
                    : std::array{STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO};
            if (terminal_.open()) make_raw();
            if (!send_descriptors(taker.value(), given)) return false;
            commands_end_.close();  // so that the terminal ends with the command
            return true;
        }
    }

    void make_raw() {
        termios settings{};
        if (::tcgetattr(STDIN_FILENO, &settings) != 0) return;
        before_ = settings;
        ::cfmakeraw(&settings);
        ::tcsetattr(STDIN_FILENO, TCSANOW, &settings);
    }

    void pass_on() {
        std::string typed;  // and not taken by the command yet
        bool typing = true;
        for (;;) {
            const auto terminal_events =
                static_cast<short>(typed.empty() ? POLLIN : POLLIN | POLLOUT);
            const int input = typing && typed.empty() ? STDIN_FILENO : -1;
            std::array<pollfd, 3> waits{{{stop_.value(), POLLIN, 0},
                                         {terminal_.value(), terminal_events, 0},
                                         {input, POLLIN, 0}}};
            if (::poll(waits.data(), waits.size(), -1) < 0) continue;
            if (waits[0].revents != 0) break;
            if ((waits[1].revents & POLLOUT) != 0) {
                const ssize_t n = ::write(terminal_.value(), typed.data(), typed.size());
                if (n > 0) typed.erase(0, static_cast<std::size_t>(n));
            }
            if ((waits[1].revents & (POLLIN | POLLHUP | POLLERR)) != 0 && !show()) return;
            if (waits[2].revents != 0) {
                Buffer buffer;
                const ssize_t n = ::read(STDIN_FILENO, buffer.data(), buffer.size());
                if (n > 0) typed.assign(buffer.data(), static_cast<std::size_t>(n));
                if (n == 0 || (n < 0 && errno != EINTR)) typing = false;
            }
        }
        while (is_readable(terminal_.value()) && show()) {
        }
    }

    // What the command has written. False when there will be no more.
    bool show() {
        Buffer buffer;
        const ssize_t n = ::read(terminal_.value(), buffer.data(), buffer.size());
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) return true;
        return n > 0 && write_all(STDOUT_FILENO, {buffer.data(), static_cast<std::size_t>(n)});
    }

    FileDescriptor listener_;
    FileDescriptor stop_;
    FileDescriptor terminal_;  // our end of the command's
    FileDescriptor commands_end_;
    winsize size_{};
    std::optional<termios> before_;
    std::thread thread_;
};

CommandStreams::CommandStreams(const std::string& runtime_directory)
    : impl_{std::make_unique<Impl>(runtime_directory)} {}

CommandStreams::~CommandStreams() = default;

void CommandStreams::follow_window() {
    impl_->follow_window();
}

}  // namespace pleat
