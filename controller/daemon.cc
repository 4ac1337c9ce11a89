// The controller's loop.
#include "controller/daemon.hh"

#include <algorithm>
#include <optional>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <spdlog/spdlog.h>

#include "base/overload.hh"
#include "controller/kept_run.hh"
#include "wire/control_socket.hh"

namespace pleat {

namespace {

// How often we make sure that both sides of a run are still connected.
constexpr Duration kProbeInterval = std::chrono::seconds{1};
// Of pings that only probe: no exchange of clocks waits for this.
constexpr std::uint32_t kProbeSequence = 0xffffffff;

struct NodePeer {
    std::string peer;
    Hello hello;
};

// A run from its acceptance to its end.
struct ActiveRun {
    ActiveRun(Store& store, RunPlan accepted, std::string_view machine,
              const SessionDeadlines& deadlines, SessionOutputs outputs, std::string from)
        : plan{std::move(accepted)},
          kept{store, plan, machine, utc_now},
          session{plan, deadlines, std::move(outputs), kept, monotonic_now()},
          cli{std::move(from)} {}

    RunPlan plan;
    KeptRun kept;
    RunSession session;
    std::string cli;  // peer
};

}  // namespace

class ControllerDaemon::Impl {
  public:
    Impl(boost::asio::io_context& loop, ControllerOptions options, std::function<void()> done)
        : loop_{loop},
          options_{std::move(options)},
          done_{std::move(done)},
          store_{options_.state_directory},
          server_{loop, options_.endpoint,
                  [this](const std::string& peer, ControlMessage message) {
                      guarded([&] { receive(peer, std::move(message)); });
                  }},
          timer_{loop} {
        server_.on_bad_message([](const std::string& why) {
            spdlog::warn("dropped a message, and will drop others silently: {}", why);
        });
        const std::size_t abandoned = store_.abandon_unfinished();
        if (abandoned > 0) spdlog::warn("runs without an end in the store count={}", abandoned);
        spdlog::info("controller ready endpoint={} store={}", server_.endpoint(), store_.path());
    }

    void stop(const std::string& reason) {
        const bool again = std::exchange(leaving_, true);
        if (!active_ || again) return leave();
        spdlog::info("ending run={} reason=\"{}\"", active_->plan.options.run, reason);
        guarded([&] { active_->session.stop(reason, monotonic_now()); });
    }

    std::string endpoint() const { return server_.endpoint(); }

  private:
    // ---- messages

    void receive(const std::string& peer, ControlMessage message) {
        std::visit(Overload{
                       [&](Submit& m) { submit(peer, std::move(m)); },
                       [&](const StartRun& m) { start(peer, m); },
                       [&](const StopRun& m) { stop_run(peer, m); },
                       [&](const Shutdown&) { stop("told to shut down"); },
                       [&](const Hello& m) { hello(peer, m); },
                       [&](const auto& m) { from_node(peer, m); },
                   },
                   message);
    }

    void submit(const std::string& peer, Submit submit) {
        const std::string run = submit.options.run;
        try {
            const Result<Submitted> accepted = accept(peer, std::move(submit));
            if (accepted) {
                spdlog::info("run accepted run={} hosts={} epochs={}", run, accepted->hosts,
                             accepted->epochs);
                server_.send(peer, *accepted);
                return;
            }
            refuse(peer, accepted.error().message);
        } catch (const std::exception& problem) {
            active_.reset();
            refuse(peer, problem.what());
        }
    }

    Result<Submitted> accept(const std::string& peer, Submit submit) {
        const Instant began = monotonic_now();
        if (leaving_) return fail("the controller is shutting down");
        if (active_) {
            return fail("the controller is busy with run " + active_->plan.options.run);
        }
        if (store_.has_run(submit.options.run)) {
            return fail("there is a run " + submit.options.run + " already");
        }
        Result<RunPlan> plan = plan_run(std::move(submit));
        if (!plan) return tl::unexpected{plan.error()};
        if (encode(ControlMessage{first_push(*plan)}).size() > kMaxControlBytes) {
            return fail("the topology is too large for one message to a node");
        }
        const SessionOutputs outputs{
            .to_cli = [this](const ControlMessage& message) { to_cli(message); },
            .to_node = [this](const ControlMessage& message) { to_node(message); }};
        const std::string machine = node_ ? node_->hello.node : "local";
        active_ = std::make_unique<ActiveRun>(store_, *std::move(plan), machine, options_.deadlines,
                                              outputs, peer);
        server_.set_run(active_->plan.options.run);
        return summary(active_->plan, monotonic_now() - began);
    }

    void start(const std::string& peer, const StartRun& message) {
        if (!active_ || active_->plan.options.run != message.run) {
            return refuse(peer, "there is no run " + message.run + " to start");
        }
        active_->session.start(node_.has_value(), monotonic_now());
    }

    void stop_run(const std::string& peer, const StopRun& message) {
        // The run may just have ended: then its end is under way to the command line.
        if (!active_ && store_.has_run(message.run)) return;
        if (!active_ || active_->plan.options.run != message.run) {
            return refuse(peer, "there is no run " + message.run + " to stop");
        }
        active_->session.stop(message.reason, monotonic_now());
    }

    void hello(const std::string& peer, const Hello& message) {
        if (node_ && node_->hello.node != message.node) {
            return refuse(peer, "this controller has the node " + node_->hello.node +
                                    ": several machines can't be done yet");
        }
        if (node_ && node_->hello.incarnation != message.incarnation && active_) {
            active_->session.node_lost("it was started anew", monotonic_now());
        }
        spdlog::info("node arrived name={} version={}", message.node, message.version);
        node_ = NodePeer{.peer = peer, .hello = message};
        if (active_) active_->session.node_arrived(monotonic_now());
    }

    template <typename Message>
    void from_node(const std::string& peer, const Message& message) {
        if (!active_ || !node_ || node_->peer != peer) return;
        active_->session.receive(message, monotonic_now());
    }

    void refuse(const std::string& peer, const std::string& why) {
        spdlog::info("refused: {}", why);
        server_.send(peer, Refused{.message = why});
    }

    // ---- what the session says

    void to_cli(const ControlMessage& message) {
        if (server_.send(active_->cli, message)) return;
        later([this] {
            if (active_) active_->session.stop("the command line is gone", monotonic_now());
        });
    }

    void to_node(const ControlMessage& message) {
        if (node_ && server_.send(node_->peer, message)) return;
        lose_node();
    }

    void lose_node() {
        if (node_) spdlog::warn("node lost name={}", node_->hello.node);
        node_.reset();
        later([this] {
            if (active_) active_->session.node_lost("its connection is closed", monotonic_now());
        });
    }

    // ---- time, and the end of runs

    // Runs `action`, then looks at what has become of the run. The edge of the loop:
    // whatever goes wrong ends a run, never the daemon.
    template <typename Action>
    void guarded(const Action& action) {
        try {
            action();
        } catch (const std::exception& problem) {
            spdlog::error("{}", problem.what());
            if (active_) active_->session.fail(problem.what(), monotonic_now());
        }
        settle();
    }

    // Not from within a session's own doing.
    template <typename Action>
    void later(Action action) {
        boost::asio::post(loop_, [this, action] { guarded(action); });
    }

    void settle() {
        if (active_ && active_->session.finished()) {
            const RunFinished& results = active_->session.results();
            spdlog::info("run over run={} failed={} interrupted={}", results.run, results.failed,
                         results.interrupted);
            active_.reset();
            server_.set_run({});
        }
        if (!active_) {
            timer_.cancel();
            if (leaving_) leave();
            return;
        }
        const Instant now = monotonic_now();
        const Instant wake = std::min(active_->session.deadline().value_or(now + kProbeInterval),
                                      now + kProbeInterval);
        timer_.expires_after(std::max(wake - now, Duration::zero()));
        timer_.async_wait([this](const boost::system::error_code& error) {
            if (error) return;
            guarded([this] {
                if (!active_) return;
                probe();
                active_->session.tick(monotonic_now());
            });
        });
    }

    // A node that has died without a word is found by sending to it.
    void probe() {
        if (!node_) return;
        const ClockPing ping{.sequence = kProbeSequence, .sent = monotonic_now()};
        if (!server_.send(node_->peer, ping)) lose_node();
    }

    void leave() {
        if (std::exchange(left_, true)) return;
        if (node_) server_.send(node_->peer, Shutdown{});
        done_();
    }

    boost::asio::io_context& loop_;
    ControllerOptions options_;
    std::function<void()> done_;
    Store store_;
    ControlServer server_;
    boost::asio::steady_timer timer_;
    std::optional<NodePeer> node_;
    std::unique_ptr<ActiveRun> active_;
    bool leaving_ = false;
    bool left_ = false;
};

ControllerDaemon::ControllerDaemon(boost::asio::io_context& loop, ControllerOptions options,
                                   std::function<void()> done)
    : impl_{std::make_unique<Impl>(loop, std::move(options), std::move(done))} {}

ControllerDaemon::~ControllerDaemon() = default;

void ControllerDaemon::stop(const std::string& reason) {
    impl_->stop(reason);
}

std::string ControllerDaemon::endpoint() const {
    return impl_->endpoint();
}

}  // namespace pleat
