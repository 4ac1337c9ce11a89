// The controller's loop.
#include "controller/daemon.hh"

#include <algorithm>
#include <optional>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>

#include "base/log.hh"
#include "base/overload.hh"
#include "controller/active_runs.hh"
#include "controller/attempted.hh"
#include "controller/doors.hh"
#include "controller/finished_runs.hh"
#include "controller/late_ends.hh"
#include "controller/machine_orders.hh"
#include "controller/members.hh"
#include "controller/node_registry.hh"
#include "controller/run_orders.hh"
#include "controller/way_orders.hh"
#include "wire/membership.hh"

namespace pleat {

namespace {

// How often we make sure that both sides of a run are still connected.
constexpr Duration kProbeInterval = std::chrono::seconds{1};
}  // namespace

class ControllerDaemon::Impl {
  public:
    Impl(boost::asio::io_context& loop, ControllerOptions options, std::function<void()> done)
        : loop_{loop},
          options_{std::move(options)},
          done_{std::move(done)},
          store_{options_.state_directory},
          members_{store_},
          doors_{loop,
                 options_.endpoints,
                 options_.state_directory,
                 {.admits =
                      [this](const std::string& key) { return members_.role_of(key).has_value(); },
                  .receive =
                      [this](ControlServer& door, const Sender& from, ControlMessage message) {
                          guarded([&] { receive(door, from, std::move(message)); });
                      }}},
          timer_{loop} {
        const std::size_t abandoned = store_.abandon_unstarted();
        if (abandoned > 0) log::warn("runs that never began in the store count={}", abandoned);
        resume_runs();
        log::info("controller ready endpoint={} store={}", doors_.endpoints().back(),
                  store_.path());
    }

    void stop(const std::string& reason) {
        const bool again = std::exchange(leaving_, true);
        run_orders_.close();
        if (runs_.empty() || again) return leave();
        guarded([&] {
            runs_.with_each([&](ActiveRun& run) {
                log::info("ending run={} reason=\"{}\"", run.plan.options.run, reason);
                run.session.stop(reason, monotonic_now());
            });
        });
    }

    std::vector<std::string> endpoints() const { return doors_.endpoints(); }

  private:
    // ---- messages

    void receive(ControlServer& door, const Sender& from, ControlMessage message) {
        const Caller caller{.door = &door, .name = from.peer};
        if (from.key.empty()) return receive_from_anyone(caller, from, std::move(message));
        // Asked anew: the key may have been taken away since it came in.
        const std::optional<Role> role = members_.role_of(from.key);
        if (role == Role::machine) {
            return receive_from_machine(caller, from, std::move(message));
        }
        if (role == Role::client_operator) {
            return receive_from_operator(caller, std::move(message));
        }
        const auto* const join = std::get_if<Join>(&message);
        if (role && join != nullptr) {
            if (join->protocol != kProtocolVersion) {
                return refuse_version(caller,
                                      join->name.empty() ? "operator" : "node " + join->name,
                                      join->version, join->protocol);
            }
            return refusing(caller, [&] { caller.answer(machines_.answer(*join, from.key)); });
        }
        drop("it is of a key that may not say so");
    }

    void drop(const std::string& why) {
        if (dropped_++ == 0) {
            log::warn("dropped a message, and will drop others silently: {}", why);
        }
    }

    void receive_from_anyone(const Caller& caller, const Sender& from, ControlMessage message) {
        if (auto* const hello = std::get_if<Hello>(&message)) {
            return this->hello(caller, false, *hello);
        }
        if (nodes_.find(from.name) != nullptr) return receive_from_node(caller, from, message);
        receive_from_operator(caller, std::move(message));
    }

    void receive_from_machine(const Caller& caller, const Sender& from, ControlMessage message) {
        const std::string name = members_.machine_of(from.key);
        if (auto* const hello = std::get_if<Hello>(&message)) {
            if (hello->node != name) {
                return caller.refuse(
                    fmt::format("this key is that of machine {}, not of {}", name, hello->node));
            }
            hello->address.key = from.key;
            return this->hello(caller, true, *hello);
        }
        Node* const node = nodes_.find(name);
        if (node == nullptr) return drop("it is of a machine that has not said hello");
        if (node->peer != caller) {
            // Its connection was lost and is there again; what had waited comes first.
            log::info("node is back name={}", name);
            node->peer = caller;
            node->connected = true;
        }
        Sender itself = from;
        itself.name = name;
        receive_from_node(caller, itself, message);
    }

    void receive_from_operator(const Caller& caller, ControlMessage message) {
        refusing(caller, [&] { carry_out(caller, message); });
    }

    void carry_out(const Caller& caller, ControlMessage& message) {
        std::visit(Overload{
                       [&](Submit& m) { run_orders_.carry_out(caller, std::move(m)); },
                       [&](const StartRun& m) { run_orders_.carry_out(caller, m); },
                       [&](const StopRun& m) { run_orders_.carry_out(caller, m); },
                       [&](const Watch& m) { run_orders_.carry_out(caller, m); },
                       [&](const ChangeRun& m) { run_orders_.carry_out(caller, m); },
                       [&](const ListRuns& m) { run_orders_.carry_out(caller, m); },
                       [&](const Inspect& m) { run_orders_.carry_out(caller, m); },
                       [&](ReadOutput& m) { run_orders_.carry_out(caller, std::move(m)); },
                       [&](RunOnHost& m) { run_orders_.carry_out(caller, std::move(m)); },
                       [&](const MakeToken& m) {
                           caller.answer(
                               machines_.answer(m, doors_.public_endpoint(), doors_.public_key()));
                       },
                       [&](const ListMachines& m) { caller.answer(machines_.answer(m)); },
                       [&](const RemoveMachine& m) { caller.answer(machines_.answer(m)); },
                       [&](const LabelMachine& m) { caller.answer(machines_.answer(m)); },
                       [&](const CheckMachines& m) { ways_.check(caller, m, monotonic_now()); },
                       [&](const CheckPlacement& m) {
                           caller.answer(ways_.check(m.scenario, runs_.rates()));
                       },
                       [&](const Shutdown&) { stop("told to shut down"); },
                       [&](const auto&) { drop("it is nothing that an operator says"); },
                   },
                   message);
    }

    // ---- sessions

    SessionOutputs outputs_of(const std::string& run) {
        return {.to_cli = [this, run](const ControlMessage& message) { to_watchers(run, message); },
                .to_node = [this, run](
                               const std::string& machine,
                               const ControlMessage& message) { to_node(run, machine, message); },
                // A Curve25519 secret is 32 random bytes.
                .fresh_key = [] { return make_key_pair().secret_key; },
                .to_asker =
                    [this, run](std::uint32_t asker, const ControlMessage& message) {
                        run_orders_.answer_asker(run, asker, message);
                    }};
    }

    // Those that an earlier controller has left under way; their nodes will come.
    void resume_runs() {
        for (const StoredRun& stored : store_.runs()) {
            if (stored.state != name_of(RunState::running)) continue;
            try {
                Result<RunPlan> plan = store_.plan_of(stored.run);
                if (!plan) throw Failure{plan.error().message};
                auto run =
                    std::make_unique<ActiveRun>(store_, *std::move(plan), stored.submitted_at,
                                                options_.deadlines, outputs_of(stored.run));
                run->session.resume(results_of(store_, stored.run), monotonic_now());
                runs_.add(std::move(run));
                log::info("resumed run={}", stored.run);
            } catch (const std::exception& problem) {
                log::error("cannot resume run={}: {}", stored.run, problem.what());
                store_.abandon(stored.run,
                               fmt::format("the controller ended during the run, and one started "
                                           "anew can't go on with it: {}",
                                           problem.what()));
            }
        }
        settle();
    }

    // ---- nodes

    void refuse_version(const Caller& caller, const std::string& who, const std::string& version,
                        std::uint32_t protocol) {
        const std::string why = fmt::format(
            "{} is pleat {} (protocol {}), this controller is pleat {} (protocol {}): install the "
            "same version on both",
            who, version, protocol, PLEAT_VERSION, kProtocolVersion);
        log::info("refused: {}", why);
        caller.door->refuse(caller.name, protocol, why);
    }

    void hello(const Caller& caller, bool remote, const Hello& message) {
        if (message.protocol != kProtocolVersion) {
            return refuse_version(caller, "node " + message.node, message.version,
                                  message.protocol);
        }
        if (!nodes_.arrive(caller, remote, message)) {
            return caller.refuse(fmt::format(
                "another node named {} is connected: give this one another name", message.node));
        }
        log::info("node arrived name={} version={}", message.node, message.version);
        // Who looks at it at once wants to see its round trip.
        static_cast<void>(nodes_.find(message.node)->send_probe());
        runs_.with_each(
            [&message](ActiveRun& run) { run.session.node_arrived(message, monotonic_now()); });
        for (const HeldRun& held : message.runs) {
            if (runs_.find(held.run) != nullptr || late_ends_.find(held.run) != nullptr) continue;
            caller.say(
                EndRun{.reason = "the controller has no such run any more", .interrupted = true},
                held.run);
            caller.say(Forget{}, held.run);
        }
    }

    void receive_from_node(const Caller& caller, const Sender& from,
                           const ControlMessage& message) {
        Node& node = *nodes_.find(from.name);
        if (node.peer != caller) return drop("it is of a node that is another connection's");
        const auto* const pong = std::get_if<ClockPong>(&message);
        if (pong != nullptr && from.run.empty()) {
            node.measure(*pong, monotonic_now());
            return;
        }
        if (run_orders_.pass_on(from.run, message)) return;
        bool of_check = false;
        measuring([&] { of_check = ways_.receive(from.name, from.run, message, monotonic_now()); });
        // Of a run that is over: stale.
        if (of_check || runs_.find(from.run) == nullptr) return;
        static_cast<void>(runs_.with(from.run, [&](ActiveRun& run) {
            run.session.receive(from.name, message, monotonic_now());
        }));
    }

    // ---- what the sessions say

    void to_watchers(const std::string& run, const ControlMessage& message) {
        ActiveRun& active = *runs_.find(run);
        std::erase_if(active.watchers, [&](const Caller& watcher) {
            if (watcher.say(message, run)) return false;
            if (watcher != active.owner) return true;
            later([this, run] {
                if (runs_.find(run) == nullptr) return;
                static_cast<void>(runs_.with(run, [](ActiveRun& found) {
                    found.session.stop("the command line is gone", monotonic_now());
                }));
            });
            return false;
        });
    }

    void to_node(const std::string& run, const std::string& machine,
                 const ControlMessage& message) {
        Node* const node = nodes_.find(machine);
        if (node == nullptr || !node->connected) return;
        // What it has is still needed by who must collect it anew.
        const bool forget = std::holds_alternative<Forget>(message);
        if (forget && !runs_.find(run)->kept.end_stored()) return;
        if (!node->peer.say(message, run)) lose(*node);
    }

    // It may be cut off and come back, or be started anew and take over.
    void lose(Node& node) {
        log::warn("node lost name={}", node.hello.node);
        node.connected = false;
        later([this, name = node.hello.node] {
            measuring([&] { ways_.node_gone(name, monotonic_now()); });
            runs_.with_each(
                [&name](ActiveRun& run) { run.session.node_disconnected(name, monotonic_now()); });
        });
    }

    // ---- time, and the end of runs

    // Runs `action`, then looks at what has become of the runs. The edge of the loop:
    // whatever goes wrong never ends the daemon. What is done for a run, for an order or for a
    // measurement has an edge of its own, by which no other comes to harm.
    template <typename Action>
    void guarded(const Action& action) {
        if (const Result<void> done = attempted(action); !done) {
            log::error("{}", done.error().message);
        }
        settle();
    }

    // What goes wrong with an order is told to who gave it, and to nobody else.
    template <typename Action>
    static void refusing(const Caller& caller, const Action& action) {
        if (const Result<void> done = attempted(action); !done) caller.refuse(done.error().message);
    }

    // What goes wrong with a measurement of the network ends that.
    template <typename Action>
    void measuring(const Action& action) {
        if (const Result<void> done = attempted(action); !done) {
            ways_.give_up(done.error().message);
        }
    }

    // Not from within a session's own doing.
    template <typename Action>
    void later(Action action) {
        boost::asio::post(loop_, [this, action = std::move(action)] { guarded(action); });
    }

    void settle() {
        for (const std::unique_ptr<ActiveRun>& run : runs_.take_finished()) {
            const RunFinished& results = run->session.results();
            log::info("run over run={} failed={} interrupted={}", results.run, results.failed,
                      results.interrupted);
            run_orders_.run_over(results.run);
            if (run->kept.end_stored()) continue;
            LateEnds::End late{.results = results, .machines = {}};
            for (const MachinePart& part : run->plan.parts) late.machines.push_back(part.machine);
            late_ends_.add(std::move(late));
        }
        if (runs_.empty() && leaving_) {
            timer_.cancel();
            return leave();
        }
        if (runs_.empty() && nodes_.empty() && late_ends_.empty()) return;
        const Instant now = monotonic_now();
        Instant wake = now + kProbeInterval;
        wake = std::min(wake, runs_.deadline().value_or(wake));
        wake = std::min(wake, ways_.deadline().value_or(wake));
        timer_.expires_after(std::max(wake - now, Duration::zero()));
        timer_.async_wait([this](const boost::system::error_code& error) {
            if (error) return;
            guarded([this] {
                measuring([this] { ways_.tick(monotonic_now()); });
                runs_.with_each([](ActiveRun& run) { run.session.tick(monotonic_now()); });
                for (Node* const node : nodes_.probe()) lose(*node);
                keep_late_ends();
            });
        });
    }

    void keep_late_ends() {
        for (const LateEnds::End& end : late_ends_.try_again()) {
            log::info("kept the end of run={}", end.results.run);
            for (const std::string& machine : end.machines) {
                const Node* const node = nodes_.find(machine);
                if (node != nullptr && node->connected) node->peer.say(Forget{}, end.results.run);
            }
        }
    }

    void leave() {
        if (std::exchange(left_, true)) return;
        // Those of this machine are part of a run that has its own controller; others wait for
        // a controller to be there again.
        for (const auto& [name, node] : nodes_.all()) {
            if (!node.remote) node.peer.say(Shutdown{});
        }
        done_();
    }

    boost::asio::io_context& loop_;
    ControllerOptions options_;
    std::function<void()> done_;
    Store store_;
    Members members_;
    Doors doors_;
    std::uint64_t dropped_ = 0;
    boost::asio::steady_timer timer_;
    NodeRegistry nodes_;
    WayOrders ways_{store_, members_, nodes_,
                    [this](const std::string& machine) { return runs_.hosts_on(machine); }};
    MachineOrders machines_{members_, nodes_,
                            [this](const std::string& machine) { return runs_.hosts_on(machine); },
                            [this](const std::string& machine) { ways_.forget(machine); }};
    ActiveRuns runs_;
    LateEnds late_ends_{store_};
    RunOrders run_orders_{{.store = store_,
                           .members = members_,
                           .nodes = nodes_,
                           .ways = ways_,
                           .runs = runs_,
                           .late_ends = late_ends_,
                           .state_directory = options_.state_directory,
                           .deadlines = options_.deadlines,
                           .outputs = [this](const std::string& run) { return outputs_of(run); }}};
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

std::vector<std::string> ControllerDaemon::endpoints() const {
    return impl_->endpoints();
}

}  // namespace pleat
