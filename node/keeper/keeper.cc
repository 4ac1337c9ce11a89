#include "node/keeper/keeper.hh"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.hh"
#include "base/interface_undo.hh"
#include "node/keeper/host_setup.hh"
#include "node/keeper/interface.hh"
#include "node/keeper/launch.hh"
#include "node/netlink/route_batch.hh"

namespace pleat::keeper {

namespace {

constexpr Duration kReadyCheckInterval = std::chrono::milliseconds{10};

std::int64_t nanoseconds(Instant at) {
    return at.time_since_epoch().count();
}

FileDescriptor open_signals() {
    sigset_t set{};
    ::sigemptyset(&set);
    ::sigaddset(&set, SIGCHLD);
    ::sigaddset(&set, SIGTERM);
    ::sigprocmask(SIG_SETMASK, &set, nullptr);
    FileDescriptor signals{::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)};
    check("cannot receive signals", signals.value());
    return signals;
}

// The node may have raised its own limit for its many hosts; applications that use
// select() must not see that.
void limit_open_files(std::uint64_t soft) {
    rlimit limit{};
    if (soft == 0 || ::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = std::min<rlim_t>(soft, limit.rlim_max);
    static_cast<void>(::setrlimit(RLIMIT_NOFILE, &limit));
}

bool is_trusted(int socket) {
    ucred peer{};
    socklen_t size = sizeof peer;
    return ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == ::geteuid() || peer.uid == 0);
}

}  // namespace

Keeper::Keeper(FileDescriptor node, std::string mark, Reach reach)
    : node_{std::move(node)}, signals_{open_signals()}, mark_{std::move(mark)}, reach_{reach} {
    begin_to_reach(reach_);
}

int Keeper::run() {
    while (!ending_) {
        const Awaited came = wait();
        if (came.signals) read_signals();
        if (came.node) read_node();
        if (came.listener) accept_callers();
        if (came.caller) read_caller();
        keep_deadlines(monotonic_now());
    }
    end_processes(reach_);
    if (abandoned_ && reach_ == Reach::descendants) undo_interface();
    if (!socket_path_.empty()) ::unlink(socket_path_.c_str());
    return exit_code_;
}

Keeper::Awaited Keeper::wait() const {
    const auto node_events = static_cast<short>(backlog_.empty() ? POLLIN : POLLIN | POLLOUT);
    std::array<pollfd, 4> waits{{{signals_.value(), POLLIN, 0},
                                 {node_.value(), node_events, 0},
                                 {listener_.value(), POLLIN, 0},
                                 {caller_.value(), POLLIN, 0}}};
    timespec timeout{};
    const auto deadline = next_deadline();
    if (deadline) {
        const Duration left = std::max(*deadline - monotonic_now(), Duration{0});
        const auto whole = std::chrono::duration_cast<std::chrono::seconds>(left);
        timeout = {whole.count(), static_cast<long>((left - whole).count())};
    }
    // Interrupted or out of time: nothing came.
    if (::ppoll(waits.data(), waits.size(), deadline ? &timeout : nullptr, nullptr) <= 0) return {};
    return {waits[0].revents != 0, waits[1].revents != 0, waits[2].revents != 0,
            waits[3].revents != 0};
}

std::optional<Instant> Keeper::next_deadline() const {
    std::optional<Instant> first = orphan_until_;
    if (kill_at_) first = std::min(first.value_or(*kill_at_), *kill_at_);
    if (awaited_ready_) first = std::min(first.value_or(next_ready_check_), next_ready_check_);
    return first;
}

void Keeper::read_signals() {
    signalfd_siginfo info{};
    while (::read(signals_.value(), &info, sizeof info) == sizeof info) {
        // From outside of a PID namespace only: the host's own processes have pids here.
        const bool from_outside = reach_ == Reach::descendants || info.ssi_pid == 0;
        if (info.ssi_signo == SIGTERM && from_outside) ending_ = true;
    }
    reap();
}

void Keeper::read_node() {
    send_backlog();
    while (node_.open() && !ending_) {
        Received received = receive_packet(node_.value());
        if (received.what == Received::What::nothing) return;
        if (received.what == Received::What::lost) return lose_node();
        const auto request = decode_request(received.packet);
        const bool in_place = request && std::holds_alternative<Setup>(*request) == !set_up_ &&
                              !std::holds_alternative<Hello>(*request);
        if (!in_place) {
            ++dropped_;
            continue;
        }
        arrived_ = std::move(received.descriptor);
        std::visit([this](const auto& r) { handle(r); }, *request);
        arrived_.close();
    }
}

void Keeper::accept_callers() {
    FileDescriptor caller{
        ::accept4(listener_.value(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
    if (!caller.open() || node_.open() || !is_trusted(caller.value())) return;
    caller_ = std::move(caller);  // one that says nothing makes place for the next
}

void Keeper::read_caller() {
    const Received received = receive_packet(caller_.value());
    if (received.what == Received::What::nothing) return;
    if (received.what == Received::What::lost) return caller_.close();
    const auto request = decode_request(received.packet);
    const auto* const hello = request ? std::get_if<Hello>(&*request) : nullptr;
    if (hello == nullptr || hello->mark != mark_) {
        ++dropped_;
        return;
    }
    attach(std::move(caller_), true);
}

void Keeper::keep_deadlines(Instant now) {
    if (orphan_until_ && now >= *orphan_until_) ending_ = abandoned_ = true;
    if (kill_at_ && now >= *kill_at_) {
        kill_at_.reset();
        signal_processes(reach_, SIGKILL);
    }
    if (awaited_ready_ && now >= next_ready_check_) {
        next_ready_check_ = now + kReadyCheckInterval;
        if (awaited_ready_->kind == ReadyKind::delay || is_ready()) {
            awaited_ready_.reset();
            ready_ = true;
            report(BecameReady{nanoseconds(now)});
        }
    }
}

bool Keeper::is_ready() const {
    struct stat facts{};
    switch (awaited_ready_->kind) {
        case ReadyKind::tcp_port:
            return listening_->any_on(awaited_ready_->tcp_port);
        case ReadyKind::file:
            return ::stat(awaited_ready_->file.c_str(), &facts) == 0;
        case ReadyKind::delay:
        case ReadyKind::at_start:
            break;
    }
    return true;
}

void Keeper::handle(const Setup& setup) {
    try {
        grace_ = Duration{setup.grace_ns};
        runtime_directory_ = setup.runtime_directory;
        make_interface(setup);
        limit_open_files(setup.open_files);
        listen(setup.socket);
    } catch (const std::exception& error) {
        report(SetupFailed{error.what(), dynamic_cast<const MissingFeature*>(&error) != nullptr});
        exit_code_ = 1;
        ending_ = true;
        return;
    }
    set_up_ = true;
    attach(std::move(node_), false);
}

// With the namespaces around it, and in the order that they need.
void Keeper::make_interface(const Setup& setup) {
    if ((setup.behind == Behind::machine) != (reach_ == Reach::descendants)) {
        throw Failure{"its keeper was started for another kind of host"};
    }
    if (setup.behind == Behind::machine) return take_network_namespace();
    FileDescriptor underlay = std::move(arrived_);
    FileDescriptor underlay_routes;
    if (setup.behind == Behind::underlay) {
        check("cannot enter the underlay", ::setns(underlay.value(), CLONE_NEWNET));
        underlay_routes = open_route_socket();
    }
    enter_namespaces();
    name_host(setup, notes_);
    set_sysctls(setup, notes_);
    const Interface interface{.host = setup.number,
                              .ipv4 = setup.ipv4,
                              .ipv4_prefix = setup.ipv4_prefix,
                              .ipv6 = setup.ipv6,
                              .ipv6_prefix = setup.ipv6_prefix,
                              .default_route = setup.default_route,
                              .outside = setup.outside};
    if (setup.behind == Behind::tun) {
        port_ = make_tun_interface(interface);
        return;
    }
    make_underlay_interface(interface, underlay.value(), underlay_routes.value());
    held_by_name_.insert_or_assign(kUnderlay, std::move(underlay));
    take_network_namespace();
}

void Keeper::take_network_namespace() {
    port_ = FileDescriptor{::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)};
    check("cannot open the host's network namespace", port_.value());
}

void Keeper::undo_interface() const {
    try {
        static_cast<void>(pleat::undo_interface(runtime_directory_));
    } catch (const std::exception&) {
        return;  // `clean` will tell
    }
}

void Keeper::handle(const Start& start) {
    if (application_) {
        ++dropped_;
        return;
    }
    if (stopping_) {
        start_after_stop_ = start;
        kill_at_.reset();
        signal_processes(reach_, SIGKILL);
        return;
    }
    try {
        if (start.ready.kind == ReadyKind::tcp_port && !listening_) listening_.emplace();
    } catch (const std::exception& error) {
        report(StartFailed{nanoseconds(monotonic_now()), error.what()});
        return;
    }
    const Launched launched = launch(start.program, reach_);
    if (!launched.problem.empty()) {
        report(StartFailed{nanoseconds(launched.at), launched.problem});
        return;
    }
    application_ = launched.pid;
    ready_ = start.ready.kind == ReadyKind::at_start;
    report(Started{nanoseconds(launched.at)});
    if (start.ready.kind == ReadyKind::at_start) {
        report(BecameReady{nanoseconds(launched.at)});
        return;
    }
    awaited_ready_ = start.ready;
    next_ready_check_ = launched.at;
    if (start.ready.kind == ReadyKind::delay) next_ready_check_ += Duration{start.ready.delay_ns};
}

void Keeper::handle(const Execute& execute) {
    const Launched launched = launch(execute.program, reach_);
    if (launched.problem.empty()) {
        executing_[launched.pid] = execute.token;
        return;
    }
    // Where its output would be is where the user looks.
    const FileDescriptor log{
        ::open(execute.program.log.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY)};
    const std::string line = "pleat: " + launched.problem + "\n";
    if (log.open()) static_cast<void>(!::write(log.value(), line.data(), line.size()));
    report(ExecuteEnded{execute.token, W_EXITCODE(launched.exit_code, 0)});
}

void Keeper::handle(const Signal& signal) {
    if (signal.number != SIGKILL && signal.number != SIGSTOP && signal.number != SIGCONT) {
        ++dropped_;
        return;
    }
    signal_processes(reach_, signal.number);
}

void Keeper::handle(const Stop& stop) {
    signal_processes(reach_, SIGTERM);
    signal_processes(reach_, SIGCONT);  // a paused process can't end itself
    stopping_ = true;
    kill_at_ = monotonic_now() + Duration{stop.grace_ns};
    reap();  // nothing may be left already
}

void Keeper::handle(const End&) {
    ending_ = true;
}

void Keeper::handle(const Hello&) {}  // an attached node has said it before

void Keeper::handle(const Hold& hold) {
    if (!arrived_.open()) return;
    if (hold.name.empty()) {
        held_.push_back(std::move(arrived_));
    } else {
        held_by_name_.insert_or_assign(hold.name, std::move(arrived_));
    }
}

void Keeper::listen(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) throw Failure{"the path " + path + " is too long"};
    std::memcpy(address.sun_path, path.data(), path.size());
    listener_ = FileDescriptor{::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    check("cannot make a socket", listener_.value());
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): as bind() wants it
    const auto* const any = reinterpret_cast<const sockaddr*>(&address);
    check("cannot listen at " + path, ::bind(listener_.value(), any, sizeof address));
    socket_path_ = path;
    check("cannot listen at " + path, ::listen(listener_.value(), 4));
}

void Keeper::attach(FileDescriptor node, bool takes_over) {
    node_ = std::move(node);
    caller_.close();
    orphan_until_.reset();
    // A first node has given us what we hold; one that takes over has lost it.
    const auto held = static_cast<std::uint32_t>(takes_over ? held_by_name_.size() : 0);
    const std::string up = encode(Report{Up{application_.has_value(), ready_, held, notes_}});
    if (send_packet(node_.value(), up, port_.value()) != SendResult::sent) return lose_node();
    if (takes_over) {
        for (const auto& [name, descriptor] : held_by_name_) {
            const std::string report = encode(Report{Held{name}});
            if (send_packet(node_.value(), report, descriptor.value()) != SendResult::sent) {
                return lose_node();
            }
        }
    }
    send_backlog();
}

void Keeper::lose_node() {
    node_.close();
    if (!set_up_) {
        ending_ = true;
        return;
    }
    orphan_until_ = monotonic_now() + grace_;
}

void Keeper::reap() {
    while (true) {
        int status = 0;
        const pid_t pid = ::waitpid(-1, &status, WNOHANG);
        if (pid == 0) return;
        if (pid < 0) break;
        if (application_ == pid) {
            application_.reset();
            ready_ = false;
            awaited_ready_.reset();
            report(Exited{nanoseconds(monotonic_now()), status});
        } else if (const auto it = executing_.find(pid); it != executing_.end()) {
            report(ExecuteEnded{it->second, status});
            executing_.erase(it);
        }
    }
    // No child is left, and every process of the namespace is or becomes one.
    if (!stopping_) return;
    stopping_ = false;
    kill_at_.reset();
    report(Stopped{});
    if (const auto start = std::exchange(start_after_stop_, std::nullopt)) handle(*start);
}

void Keeper::report(const Report& report) {
    if (backlog_.size() == kKeptReports) backlog_.pop_front();
    backlog_.push_back(encode(report));
    send_backlog();
}

void Keeper::send_backlog() {
    while (node_.open() && !backlog_.empty()) {
        const SendResult result = send_packet(node_.value(), backlog_.front());
        if (result == SendResult::full) return;
        // read_node() notices the loss; the report is kept for the next node.
        if (result == SendResult::lost) return;
        backlog_.pop_front();
    }
}

}  // namespace pleat::keeper
