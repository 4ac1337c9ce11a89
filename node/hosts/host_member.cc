#include "node/hosts/host_member.hh"

#include <csignal>

#include <boost/asio/post.hpp>
#include <unistd.h>

#include "base/overload.hh"
#include "base/passed_descriptors.hh"

namespace pleat {

namespace {

using ErrorCode = boost::system::error_code;

Instant instant(std::int64_t ns) {
    return Instant{Duration{ns}};
}

}  // namespace

std::string seconds_text(Duration d) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(d).count();
    if (ms % 1000 == 0) return std::to_string(ms / 1000) + " s";
    return std::to_string(ms) + " ms";
}

HostMember::HostMember(boost::asio::io_context& loop, HostId id, Application application,
                       HostFacts facts, std::unique_ptr<KeeperProcess> keeper, MemberEvents events)
    : loop_{loop},
      id_{id},
      application_{std::move(application)},
      facts_{std::move(facts)},
      keeper_{std::move(keeper)},
      events_{std::move(events)},
      channel_{loop},
      end_{loop},
      timer_{loop} {}

HostMember::~HostMember() {
    // The descriptors are the KeeperProcess's.
    if (channel_.is_open()) channel_.release();
    if (end_.is_open()) end_.release();
}

std::optional<FileDescriptor> HostMember::answer_to_setup() {
    keeper::Received received = keeper::receive_packet(keeper_->channel());
    if (received.what == keeper::Received::What::nothing) return std::nullopt;
    if (received.what == keeper::Received::What::lost) {
        throw Failure{"host " + name() + ": its keeper ended while it made the host"};
    }
    const auto report = keeper::decode_report(received.packet);
    if (report && std::holds_alternative<keeper::SetupFailed>(*report)) {
        const auto& failed = std::get<keeper::SetupFailed>(*report);
        const std::string problem = "host " + name() + ": " + failed.problem;
        if (failed.missing_feature) throw MissingFeature{problem};
        throw Failure{problem};
    }
    const bool up = report && std::holds_alternative<keeper::Up>(*report);
    if (!up || !received.descriptor.open()) {
        throw Failure{"host " + name() + ": its keeper does not speak our protocol"};
    }
    return std::move(received.descriptor);
}

void HostMember::listen() {
    channel_.assign(keeper_->channel());
    end_.assign(keeper_->pidfd());
    await_channel();
    await_end();
}

void HostMember::await_channel() {
    channel_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                        [this, alive = std::weak_ptr<int>{alive_}](const ErrorCode& error) {
                            if (error || alive.expired()) return;
                            read_channel();
                            // When the keeper is gone, its end is what we wait for.
                            if (!alive.expired() && channel_.is_open()) await_channel();
                        });
}

void HostMember::await_end() {
    end_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                    [this, alive = std::weak_ptr<int>{alive_}](const ErrorCode& error) {
                        if (error || alive.expired()) return;
                        read_channel();  // what it said last
                        if (!alive.expired()) keeper_ended();
                    });
}

void HostMember::read_channel() {
    const std::weak_ptr<int> alive = alive_;
    while (!alive.expired() && channel_.is_open()) {
        const keeper::Received received = keeper::receive_packet(keeper_->channel());
        if (received.what == keeper::Received::What::nothing) return;
        if (received.what == keeper::Received::What::lost) {
            channel_.release();
            keeper_->kill();  // one that lives on without us would be of no use
            return;
        }
        // Whatever else comes is dropped: rule (1).
        if (const auto report = keeper::decode_report(received.packet)) handle(*report);
    }
}

void HostMember::handle(const keeper::Report& report) {
    std::visit(
        Overload{
            [this](const keeper::Started& started) {
                state_ = State::unready;
                timer_.cancel();
                if (application_.ready) await_ready();
                events_.report(HostStarted{id_, instant(started.at_ns)});
            },
            [this](const keeper::StartFailed& failed) {
                timer_.cancel();
                not_started(instant(failed.at_ns), failed.problem);
            },
            [this](const keeper::BecameReady& ready) {
                if (!given_up_.empty()) return;
                timer_.cancel();
                state_ = State::ready;
                events_.report(HostReady{id_, instant(ready.at_ns)});
            },
            [this](const keeper::Exited& exited) {
                timer_.cancel();
                if (!given_up_.empty()) {
                    not_started(instant(exited.at_ns), std::exchange(given_up_, {}));
                    return;
                }
                state_ = State::idle;
                events_.report(HostExited{id_, instant(exited.at_ns),
                                          ExitStatus{exited.wait_status}.code(), ""});
            },
            [this](const keeper::ExecuteEnded& ended) {
                events_.report(ExecEnded{id_, ended.token, ExitStatus{ended.wait_status}.code()});
            },
            [this](const keeper::Stopped&) {
                stopping_ = false;
                events_.stopped();
            },
            [](const auto&) {},  // an answer to a Setup, out of place
        },
        report);
}

// A timer that has expired can't be cancelled: each looks whether it is still wanted.
void HostMember::await_ready() {
    arm(ready_deadline_, [this] {
        if (state_ != State::unready) return;
        given_up_ =
            "not ready within " + seconds_text(ready_deadline_) + ": " + unmet(application_);
        signal(SIGKILL);
        arm(keeper_deadline_, [this] {
            if (given_up_.empty()) return;
            lose("its application survived SIGKILL for " + seconds_text(keeper_deadline_));
        });
    });
}

void HostMember::resume(const keeper::Up& up, const FleetOptions& options) {
    ready_deadline_ = options.ready_deadline;
    keeper_deadline_ = options.keeper_deadline;
    if (!up.running) return;
    state_ = up.ready ? State::ready : State::unready;
    if (!up.ready && application_.ready) await_ready();
}

void HostMember::keeper_ended() {
    if (!keeper_->ended()) return await_end();
    if (channel_.is_open()) channel_.release();
    end_.release();
    timer_.cancel();
    gone_ = true;
    stopping_ = false;
    state_ = State::idle;
    const std::weak_ptr<int> alive = alive_;
    if (!told_to_end_) {
        const std::string reason =
            lost_.empty() ? "its keeper has ended: " + keeper_->end_text() : lost_;
        events_.report(HostLost{id_, reason});
    }
    if (!alive.expired()) events_.gone();
}

void HostMember::not_started(Instant at, const std::string& problem) {
    state_ = State::idle;
    events_.report(HostExited{id_, at, std::nullopt, problem});
}

void HostMember::lose(std::string reason) {
    lost_ = std::move(reason);
    keeper_->kill();
}

void HostMember::report_later(HostReport report) {
    boost::asio::post(loop_, [this, alive = std::weak_ptr<int>{alive_}, later = std::move(report)] {
        if (!alive.expired()) events_.report(later);
    });
}

void HostMember::arm(Duration patience, std::function<void()> expired) {
    timer_.expires_after(patience);
    timer_.async_wait(
        [alive = std::weak_ptr<int>{alive_}, action = std::move(expired)](const ErrorCode& error) {
            if (!error && !alive.expired()) action();
        });
}

void HostMember::send(const keeper::Request& request, int descriptor) {
    if (gone_ || told_to_end_) return;
    const auto packet = keeper::encode(request);
    PLEAT_ASSERT(packet);  // the only ones that can be too long are checked by their makers
    if (keeper::send_packet(keeper_->channel(), *packet, descriptor) == keeper::SendResult::full) {
        lose("its keeper takes no more messages");
    }
    // Lost: await_end() sees to it.
}

void HostMember::start(const FleetOptions& options) {
    if (gone_ || running()) return;
    if (application_.arguments.empty()) {
        report_later(HostReady{id_, monotonic_now()});
        return;
    }
    auto program = host_program(application_, facts_, application_.arguments);
    if (!program) {
        report_later(HostExited{id_, monotonic_now(), std::nullopt, program.error().message});
        return;
    }
    // Whoever started the run may have its own for the application.
    const std::string streams = options.runtime_directory + "/" + kCommandStreams;
    if (application_.main && ::access(streams.c_str(), F_OK) == 0) program->streams = streams;
    const keeper::Request request =
        keeper::Start{std::move(*program), ready_condition(application_)};
    if (!keeper::encode(request)) {
        report_later(HostExited{id_, monotonic_now(), std::nullopt,
                                "its arguments and environment are longer than 128 KiB"});
        return;
    }
    state_ = State::starting;
    ready_deadline_ = options.ready_deadline;
    keeper_deadline_ = options.keeper_deadline;
    arm(keeper_deadline_, [this] {
        if (state_ != State::starting) return;
        lose("its keeper could not start the application within " + seconds_text(keeper_deadline_));
    });
    send(request);
}

void HostMember::stop(Duration grace) {
    if (gone_) return;
    stopping_ = true;
    send(keeper::Stop{grace.count()});
}

void HostMember::signal(int number) {
    send(keeper::Signal{number});
}

void HostMember::execute(std::uint32_t token, const std::vector<std::string>& arguments) {
    auto program = host_program(application_, facts_, arguments);
    constexpr int kCannotExecute = 126;
    if (!program || gone_) {
        report_later(ExecEnded{id_, token, kCannotExecute});
        return;
    }
    const keeper::Request request = keeper::Execute{token, std::move(*program)};
    if (!keeper::encode(request)) {
        report_later(ExecEnded{id_, token, kCannotExecute});
        return;
    }
    send(request);
}

void HostMember::end() {
    send(keeper::End{});
    told_to_end_ = true;
}

}  // namespace pleat
