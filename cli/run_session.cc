#include "cli/run_session.hh"

#include <algorithm>
#include <csignal>
#include <memory>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/error.hh"
#include "cli/log_file.hh"
#include "cli/run_results.hh"
#include "wire/control_socket.hh"

namespace pleat {
namespace {

using namespace std::chrono_literals;

constexpr auto kTick = 50ms;
constexpr const char* kController = "controller";
// What a process gets between SIGTERM and SIGKILL: a node needs 2 s for its applications.
constexpr auto kGrace = 6s;
// A controller that dies, or once the run has begun a node, is started anew so often.
constexpr int kRestarts = 3;

// A readable descriptor that is watched without being owned.
class Watch {
  public:
    // Calls `readable` each time until that returns false.
    Watch(boost::asio::io_context& loop, int fd, std::function<bool()> readable)
        : stream_{loop, check("cannot watch a descriptor", ::fcntl(fd, F_DUPFD_CLOEXEC, 0))},
          readable_{std::move(readable)} {
        wait();
    }

  private:
    void wait() {
        stream_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                           [this](const boost::system::error_code& error) {
                               if (!error && readable_()) wait();
                           });
    }

    boost::asio::posix::stream_descriptor stream_;
    std::function<bool()> readable_;
};

class Runner {
  public:
    // `ledger`: nullptr when there are no processes of ours.
    Runner(RunSession session, RunLedger* ledger, Interrupts& interrupts, Output& output)
        : session_{std::move(session)},
          ledger_{ledger},
          interrupts_{interrupts},
          output_{output},
          conversation_{session_.submit, session_.deadlines,
                        [this](const ControlMessage& message) { client_.send(message); }, output},
          client_{loop_,
                  session_.endpoint,
                  [this](const Sender&, const ControlMessage& message) {
                      conversation_.receive(message, monotonic_now());
                  },
                  {},
                  ClientConnection{
                      .pass = session_.pass, .connected = [this] { connected(); }, .refused = {}}} {
    }

    RunOutcome run();

  private:
    struct Member {
        std::string role;
        std::string log;
        Child child;
        std::unique_ptr<Watch> watch;
        const RunProcess* process = nullptr;
        bool ended = false;
        int restarts = 0;
    };

    void start();
    Child launch(const RunProcess& process);
    void watch(Member& member);
    void start_anew(Member& member);
    void connected();
    bool still_lives(Member& member);
    bool interrupted();
    void tick();
    void turn_until(const std::function<bool()>& done);
    bool all_ended() const;
    void signal_all(int number);
    void leave();
    void end_leftovers();

    RunSession session_;
    RunLedger* ledger_;
    Interrupts& interrupts_;
    Output& output_;
    boost::asio::io_context loop_;
    RunConversation conversation_;
    ControlClient client_;
    boost::asio::steady_timer timer_{loop_};
    std::vector<std::unique_ptr<Member>> members_;
    std::unique_ptr<Watch> signals_;
    bool leaving_ = false;
    bool was_connected_ = false;
    bool in_haste_ = false;  // the user does not want to wait
    std::vector<std::string> problems_;
};

RunOutcome Runner::run() {
    signals_ =
        std::make_unique<Watch>(loop_, interrupts_.descriptor(), [this] { return interrupted(); });
    tick();
    try {
        start();
        turn_until([this] { return conversation_.over(); });
    } catch (const std::exception& error) {
        conversation_.abort(ExitCode::failed, error.what());
    }
    leave();
    if (session_.each_tick) session_.each_tick();
    return {.finished = conversation_.finished(),
            .aborted = conversation_.aborted(),
            .took = conversation_.took(),
            .problems = std::move(problems_)};
}

void Runner::start() {
    for (const RunProcess& process : session_.processes) {
        members_.push_back(std::make_unique<Member>(Member{.role = process.role,
                                                           .log = process.log,
                                                           .child = launch(process),
                                                           .watch = nullptr,
                                                           .process = &process}));
        watch(*members_.back());
    }
    conversation_.begin(monotonic_now());
}

Child Runner::launch(const RunProcess& process) {
    const FileDescriptor log{
        ::open(process.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666)};
    check("cannot create " + process.log, log.value());
    const FileDescriptor nothing{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
    check("cannot open /dev/null", nothing.value());
    Command command = process.command;
    command.descriptors = {{.descriptor = nothing.value(), .as = STDIN_FILENO},
                           {.descriptor = log.value(), .as = STDOUT_FILENO},
                           {.descriptor = log.value(), .as = STDERR_FILENO}};
    auto child = Child::start(command);
    if (!child) throw Failure{"cannot start the " + process.role + ": " + child.error().message};
    ledger_->record_process(process.role, child->pid());
    return std::move(*child);
}

void Runner::watch(Member& member) {
    member.watch = std::make_unique<Watch>(loop_, member.child.pidfd(),
                                           [this, &member] { return still_lives(member); });
}

// Of a controller: the nodes go on meanwhile, and its successor finds the run in its store.
void Runner::start_anew(Member& member) {
    if (leaving_) return;
    try {
        member.child = launch(*member.process);
        member.ended = false;
        watch(member);
    } catch (const std::exception& error) {
        conversation_.abort(ExitCode::failed, error.what());
    }
}

void Runner::connected() {
    if (std::exchange(was_connected_, true)) conversation_.reconnected(monotonic_now());
}

bool Runner::still_lives(Member& member) {
    const std::optional<ExitStatus> status = member.child.wait_until(Instant{});
    if (!status) return true;
    member.ended = true;
    if (leaving_) return false;
    const std::string words = last_words(member.log);
    const bool replaceable = member.role == kController ? conversation_.survives_controller()
                                                        : conversation_.has_begun();
    if (replaceable && member.restarts++ < kRestarts) {
        output_.warning(
            fmt::format("the {0} ended unexpectedly ({1}); the run goes on, and the {0} is started "
                        "anew",
                        member.role, status->text()));
        // The watch must not be replaced inside its own callback.
        boost::asio::post(loop_, [this, &member] { start_anew(member); });
        return false;
    }
    const bool lacks = status->code() == static_cast<int>(ExitCode::missing_privilege);
    conversation_.abort(
        lacks ? ExitCode::missing_privilege : ExitCode::failed,
        fmt::format("the {} ended unexpectedly ({}){}", member.role, status->text(), words));
    return false;
}

bool Runner::interrupted() {
    while (const std::optional<int> signal = interrupts_.next()) {
        if (leaving_) in_haste_ = true;
        conversation_.interrupt(Interrupts::word(*signal), monotonic_now());
    }
    return true;
}

void Runner::tick() {
    timer_.expires_after(kTick);
    timer_.async_wait([this](const boost::system::error_code& error) {
        if (error) return;
        conversation_.tick(monotonic_now());
        if (session_.each_tick) session_.each_tick();
        tick();
    });
}

void Runner::turn_until(const std::function<bool()>& done) {
    while (!done()) loop_.run_one();
}

bool Runner::all_ended() const {
    for (const auto& member : members_) {
        if (!member->ended) return false;
    }
    return true;
}

void Runner::signal_all(int number) {
    for (const auto& member : members_) {
        if (!member->ended) static_cast<void>(member->child.signal(number));
    }
}

// A run that has ended is said goodbye to; one that has not is ended by signals. What
// lives after that is killed, and with it what those processes would have tidied up.
void Runner::leave() {
    leaving_ = true;
    if (ledger_ == nullptr) return;
    // An impatient user has said so already.
    in_haste_ = conversation_.impatient();
    const auto wait_for = [this](Duration patience) {
        const Instant deadline = monotonic_now() + patience;
        turn_until([&] { return all_ended() || in_haste_ || monotonic_now() >= deadline; });
        return all_ended();
    };
    if (conversation_.finished()) {
        client_.send(Shutdown{});
        if (wait_for(session_.goodbye)) {
            // A node that was started anew may not have got all hosts of the one before.
            const bool replaced = std::ranges::any_of(
                members_, [](const auto& member) { return member->restarts > 0; });
            if (replaced) end_leftovers();
            return;
        }
        if (!in_haste_) {
            output_.warning(fmt::format(
                "the run's processes did not end within {} s; ending them",
                std::chrono::duration_cast<std::chrono::seconds>(session_.goodbye).count()));
        }
    }
    if (!in_haste_) {
        signal_all(SIGTERM);
        wait_for(kGrace);
    }
    signal_all(SIGKILL);
    in_haste_ = false;
    wait_for(kGrace);
    end_leftovers();
}

void Runner::end_leftovers() {
    for (std::string& problem : end_processes(*ledger_, Duration::zero())) {
        problems_.push_back(std::move(problem));
    }
}

}  // namespace

std::vector<RunProcess> own_processes(const RunOptions& options, const std::string& endpoint,
                                      const RunLedger& ledger) {
    const auto program = [](const std::string& name) {
        std::optional<std::string> path = find_sibling_program(name);
        if (!path) throw Failure{"cannot find " + name + " beside pleat or in PATH"};
        return *path;
    };
    const auto command = [&](std::vector<std::string> arguments) {
        return Command{.arguments = std::move(arguments),
                       .program = {},
                       .environment = {ledger.environment_mark()},
                       .directory = {},
                       .descriptors = {},
                       .parent_death_signal = SIGTERM,
                       .new_session = true};
    };
    return {{.role = kController,
             .command = command({program("pleat-controller"), "--listen", endpoint, "--state",
                                 options.run_directory, "--with-parent"}),
             .log = options.run_directory + "/controller.log"},
            {.role = "node",
             .command = command({program("pleat-node"), "--controller", endpoint, "--name", "local",
                                 "--runtime", options.runtime_directory, "--with-parent"}),
             .log = options.run_directory + "/node.log"}};
}

RunOutcome run(RunSession session, RunLedger& ledger, Interrupts& interrupts, Output& output) {
    return Runner{std::move(session), &ledger, interrupts, output}.run();
}

RunOutcome run_elsewhere(RunSession session, Interrupts& interrupts, Output& output) {
    return Runner{std::move(session), nullptr, interrupts, output}.run();
}

}  // namespace pleat
