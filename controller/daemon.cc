// The controller's loop.
#include "controller/daemon.hh"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>

#include "base/files.hh"
#include "base/log.hh"
#include "base/overload.hh"
#include "controller/active_runs.hh"
#include "controller/attempted.hh"
#include "controller/finished_runs.hh"
#include "controller/fresh_directory.hh"
#include "controller/host_questions.hh"
#include "controller/late_ends.hh"
#include "controller/machine_orders.hh"
#include "controller/members.hh"
#include "controller/node_registry.hh"
#include "controller/room.hh"
#include "controller/way_orders.hh"
#include "model/bare_metal.hh"
#include "wire/membership.hh"

namespace pleat {

namespace {

// How often we make sure that both sides of a run are still connected.
constexpr Duration kProbeInterval = std::chrono::seconds{1};
// A run that was submitted for later may wait for its start so long.
constexpr Duration kDetachedPatience = std::chrono::hours{24};

// A placement that the network between the machines can't carry.
class UnsuitableNetwork : public Failure {
  public:
    using Failure::Failure;
};

// The controller's own key, made once.
KeyPair server_keys(const std::string& state_directory) {
    const std::string path = state_directory + "/controller.key";
    if (std::filesystem::exists(path)) {
        const Result<std::string> text = read_secret_file(path);
        if (!text) throw Failure{text.error().message};
        const Result<std::string> secret = parse_key(text->substr(0, text->find('\n')));
        if (!secret) throw Failure{path + " is damaged: " + secret.error().message};
        return pair_of(*secret);
    }
    const KeyPair keys = make_key_pair();
    write_secret_file(path, key_text(keys.secret_key) + "\n");
    return keys;
}

}  // namespace

class ControllerDaemon::Impl {
  public:
    Impl(boost::asio::io_context& loop, ControllerOptions options, std::function<void()> done)
        : loop_{loop},
          options_{std::move(options)},
          done_{std::move(done)},
          store_{options_.state_directory},
          members_{store_},
          timer_{loop} {
        PLEAT_ASSERT(!options_.endpoints.empty());
        for (const std::string& endpoint : options_.endpoints) open_door(endpoint);
        const std::size_t abandoned = store_.abandon_unstarted();
        if (abandoned > 0) log::warn("runs that never began in the store count={}", abandoned);
        resume_runs();
        log::info("controller ready endpoint={} store={}", doors_.back()->endpoint(),
                  store_.path());
    }

    void stop(const std::string& reason) {
        const bool again = std::exchange(leaving_, true);
        if (runs_.empty() || again) return leave();
        guarded([&] {
            runs_.with_each([&](ActiveRun& run) {
                log::info("ending run={} reason=\"{}\"", run.plan.options.run, reason);
                run.session.stop(reason, monotonic_now());
            });
        });
    }

    std::vector<std::string> endpoints() const {
        std::vector<std::string> result;
        result.reserve(doors_.size());
        for (const auto& door : doors_) result.push_back(door->endpoint());
        return result;
    }

  private:
    void open_door(const std::string& endpoint) {
        std::optional<Guard> guard;
        if (endpoint.starts_with("tcp://")) {
            if (!keys_) keys_ = server_keys(options_.state_directory);
            guard = Guard{.keys = *keys_, .admits = [this](const std::string& key) {
                              return members_.role_of(key).has_value();
                          }};
        }
        const std::size_t index = doors_.size();
        doors_.push_back(std::make_unique<ControlServer>(
            loop_, endpoint,
            [this, index](const Sender& from, ControlMessage message) {
                guarded([&] { receive(doors_[index].get(), from, std::move(message)); });
            },
            std::move(guard)));
        doors_.back()->on_bad_message([](const std::string& why) {
            log::warn("dropped a message, and will drop others silently: {}", why);
        });
        if (endpoint.starts_with("tcp://")) public_endpoint_ = doors_.back()->endpoint();
    }

    // ---- messages

    void receive(ControlServer* door, const Sender& from, ControlMessage message) {
        const Caller caller{.door = door, .name = from.peer};
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
            return refusing(caller, [&] { answer(caller, machines_.answer(*join, from.key)); });
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
                       [&](Submit& m) { submit(caller, std::move(m)); },
                       [&](const StartRun& m) { start(caller, m); },
                       [&](const StopRun& m) { stop_run(caller, m); },
                       [&](const Watch& m) { watch(caller, m); },
                       [&](const ChangeRun& m) { change(caller, m); },
                       [&](const ListRuns&) { caller.say(Runs{.runs = run_list()}); },
                       [&](const Inspect& m) { inspect(caller, m); },
                       [&](ReadOutput& m) { read_output_of(caller, std::move(m)); },
                       [&](RunOnHost& m) { ask_node(caller, std::move(m)); },
                       [&](const MakeToken& m) {
                           answer(caller, machines_.answer(m, public_endpoint_,
                                                           keys_ ? keys_->public_key : ""));
                       },
                       [&](const ListMachines& m) { answer(caller, machines_.answer(m)); },
                       [&](const RemoveMachine& m) { answer(caller, machines_.answer(m)); },
                       [&](const LabelMachine& m) { answer(caller, machines_.answer(m)); },
                       [&](const CheckMachines& m) { ways_.check(caller, m, monotonic_now()); },
                       [&](const CheckPlacement& m) {
                           answer(caller, ways_.check(m.scenario, runs_.rates()));
                       },
                       [&](const Shutdown&) { stop("told to shut down"); },
                       [&](const auto&) { drop("it is nothing that an operator says"); },
                   },
                   message);
    }

    // ---- runs

    void submit(const Caller& caller, Submit submit) {
        const std::string run = submit.options.run;
        try {
            const Result<Submitted> accepted = accept(caller, std::move(submit));
            if (!accepted) return caller.refuse(accepted.error().message);
            log::info("run accepted run={} hosts={} epochs={}", run, accepted->hosts,
                      accepted->epochs);
            caller.say(*accepted, run);
        } catch (const UnsuitableNetwork& problem) {
            caller.refuse(problem.what(), NodeFailed::kInvalidTopology);
        }
    }

    Result<Submitted> accept(const Caller& caller, Submit submit) {
        const Instant began = monotonic_now();
        const std::string run = submit.options.run;
        if (leaving_) return fail("the controller is shutting down");
        if (runs_.find(run) != nullptr || store_.has_run(run)) {
            return fail("there is a run " + run + " already");
        }
        // One that is submitted from elsewhere is kept here.
        if (submit.options.run_directory.empty()) {
            if (const Result<void> good = check_machine_name(run); !good) {
                return fail("'" + run + "' can't be the name of a run");
            }
            submit.options.run_directory =
                std::filesystem::absolute(options_.state_directory).string() + "/runs/" + run;
        }
        const bool detached = submit.detached;
        const bool ignore_network = submit.ignore_network;
        Result<std::vector<std::string>> placement = find_room(
            submit.scenario, nodes_, members_,
            [this](const std::string& machine) { return runs_.hosts_on(machine); }, ways_.known());
        if (!placement) return tl::unexpected{placement.error()};
        Result<RunPlan> plan = plan_run(std::move(submit), *placement);
        if (!plan) return tl::unexpected{plan.error()};
        const NetworkJudgement network =
            judge_network(plan->scenario, plan->epochs, *placement, ways_.known(), runs_.rates());
        if (!network.problems.empty() && !ignore_network) {
            throw UnsuitableNetwork{refusal_text(network)};
        }
        if (encode(ControlMessage{first_push(*plan, plan->parts.front(), {})}).size() >
            kMaxControlBytes) {
            return fail("the topology is too large for one message to a node");
        }
        const SessionOutputs outputs = outputs_of(run);
        std::optional<Caller> owner;
        if (!detached) owner = caller;
        SessionDeadlines deadlines = options_.deadlines;
        if (detached) deadlines.start = kDetachedPatience;
        const Duration stopping = stop_patience(plan->scenario);
        deadlines.ending += stopping;
        deadlines.end_margin += stopping;
        FreshDirectory directory{plan->options.run_directory};
        auto added = std::make_unique<ActiveRun>(store_, *std::move(plan), deadlines, outputs,
                                                 std::move(owner));
        if (!detached) added->watchers.push_back(caller);
        Submitted result = summary(added->plan, monotonic_now() - began);
        result.notes = network.notes;
        result.notes.insert(result.notes.end(), network.problems.begin(), network.problems.end());
        runs_.add(std::move(added));
        directory.keep();
        return result;
    }

    SessionOutputs outputs_of(const std::string& run) {
        return {.to_cli = [this, run](const ControlMessage& message) { to_watchers(run, message); },
                .to_node = [this, run](
                               const std::string& machine,
                               const ControlMessage& message) { to_node(run, machine, message); },
                // A Curve25519 secret is 32 random bytes.
                .fresh_key = [] { return make_key_pair().secret_key; },
                .to_asker =
                    [this, run](std::uint32_t asker, const ControlMessage& message) {
                        answer_asker(run, asker, message);
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

    void start(const Caller& caller, const StartRun& message) {
        ActiveRun* const run = runs_.find(message.run);
        if (run == nullptr) return caller.refuse("there is no run " + message.run + " to start");
        const bool detached = !run->owner;
        const Result<void> started = runs_.with(message.run, [this](ActiveRun& found) {
            found.session.start(nodes_.present(), monotonic_now());
        });
        if (!started) return caller.refuse(started.error().message);
        if (detached) caller.say(Done{});
    }

    void stop_run(const Caller& caller, const StopRun& message) {
        if (const ActiveRun* const run = runs_.find(message.run)) {
            const bool answer = run->owner != caller;
            const Result<void> stopped = runs_.with(message.run, [&](ActiveRun& found) {
                found.session.stop(message.reason, monotonic_now());
            });
            if (!stopped) return caller.refuse(stopped.error().message);
            if (answer) caller.say(Done{});
            return;
        }
        // It may just have ended: then this is told twice to a command line that waits for it.
        if (store_.has_run(message.run)) {
            caller.say(results_of_ended(message.run), message.run);
            return;
        }
        caller.refuse("there is no run " + message.run + " to stop");
    }

    void change(const Caller& caller, const ChangeRun& message) {
        if (runs_.find(message.run) == nullptr) {
            return caller.refuse("there is no run " + message.run + " under way");
        }
        const std::uint32_t asker = questions_.ask(message.run, caller, 0);
        const Result<void> changed = runs_.with(message.run, [&](ActiveRun& run) {
            run.session.change(asker, message.lines, monotonic_now());
        });
        if (!changed && questions_.answered(asker)) caller.refuse(changed.error().message);
    }

    void answer_asker(const std::string& run, std::uint32_t asker, const ControlMessage& message) {
        const auto asked = questions_.answered(asker);
        if (!asked) return;
        if (const auto* refused = std::get_if<Refused>(&message)) {
            return asked->first.refuse(refused->message);
        }
        asked->first.say(message, run);
    }

    void watch(const Caller& caller, const Watch& message) {
        if (ActiveRun* const run = runs_.find(message.run)) {
            run->watchers.push_back(caller);
            if (message.own) run->owner = caller;
            return;
        }
        if (!store_.has_run(message.run)) return caller.refuse("there is no run " + message.run);
        caller.say(results_of_ended(message.run), message.run);
    }

    RunFinished results_of_ended(const std::string& run) {
        const RunFinished* const late = late_ends_.find(run);
        return late != nullptr ? *late : results_of(store_, run);
    }

    std::vector<RunInfo> run_list() {
        std::vector<RunInfo> result;
        for (const StoredRun& run : store_.runs()) {
            RunInfo& info = result.emplace_back(RunInfo{.run = run.run,
                                                        .name = run.name,
                                                        .state = run.state,
                                                        .problem = run.problem,
                                                        .directory = run.directory,
                                                        .submitted_at = run.submitted_at,
                                                        .machines = {}});
            if (const RunFinished* const late = late_ends_.find(run.run)) {
                info.state = name_of(end_state(*late));
            }
            const ActiveRun* const active = runs_.find(run.run);
            if (active == nullptr) continue;
            for (const MachinePart& part : active->plan.parts) {
                info.machines.push_back(part.machine);
            }
        }
        return result;
    }

    // Of a run under way its host's node knows; of one that is over, we.
    void read_output_of(const Caller& caller, ReadOutput question) {
        if (runs_.find(question.run) != nullptr) return ask_node(caller, std::move(question));
        answer(caller, output_of(store_, question));
    }

    template <typename Question>
    void ask_node(const Caller& caller, Question question) {
        const ActiveRun* const run = runs_.find(question.run);
        if (run == nullptr) {
            return caller.refuse("there is no run " + question.run + " under way");
        }
        const auto host = host_named(run->plan, question.host);
        if (!host) {
            return caller.refuse("there is no host " + question.host + " in run " + question.run);
        }
        const auto part = std::ranges::find_if(run->plan.parts, [&host](const MachinePart& each) {
            return std::ranges::binary_search(each.hosts, *host);
        });
        question.ticket = questions_.ask(question.run, caller, question.ticket);
        const Node* const node = nodes_.find(part->machine);
        if (node != nullptr && node->connected && node->peer.say(question, question.run)) return;
        static_cast<void>(questions_.answered(question.ticket));
        caller.refuse(
            fmt::format("machine {}, where {} is, is not connected", part->machine, question.host));
    }

    // False when it is no answer to a question.
    bool pass_on(const std::string& run, const ControlMessage& message) {
        const auto passed = [&](auto answer) {
            if (const auto asker = questions_.answered(answer.ticket)) {
                answer.ticket = asker->second;
                asker->first.say(answer, run);
            }
            return true;
        };
        if (const auto* piece = std::get_if<OutputPiece>(&message)) return passed(*piece);
        if (const auto* ran = std::get_if<RanOnHost>(&message)) return passed(*ran);
        return false;
    }

    void inspect(const Caller& caller, const Inspect& message) {
        std::vector<RunInfo> all = run_list();
        const auto info = std::ranges::find(all, message.run, &RunInfo::run);
        if (info == all.end()) return caller.refuse("there is no run " + message.run);
        if (const ActiveRun* const active = runs_.find(message.run)) {
            caller.say(RunDetails{.info = *std::move(info),
                                  .scenario = active->plan.scenario,
                                  .results = active->session.results()});
            return;
        }
        answer(caller, details_of(store_, *std::move(info), results_of_ended(message.run)));
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
        static_cast<void>(nodes_.find(message.node)->still_there());
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
        if (pass_on(from.run, message)) return;
        bool of_check = false;
        measuring([&] { of_check = ways_.receive(from.name, from.run, message, monotonic_now()); });
        // Of a run that is over: stale.
        if (of_check || runs_.find(from.run) == nullptr) return;
        static_cast<void>(runs_.with(from.run, [&](ActiveRun& run) {
            run.session.receive(from.name, message, monotonic_now());
        }));
    }

    static void answer(const Caller& caller, const ControlMessage& message) {
        if (const auto* refused = std::get_if<Refused>(&message)) {
            return caller.refuse(refused->message, refused->exit_code);
        }
        caller.say(message);
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
            for (const Caller& waiting : questions_.end(results.run)) {
                waiting.refuse("the run " + results.run + " has ended");
            }
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
    std::optional<KeyPair> keys_;
    std::string public_endpoint_;
    std::vector<std::unique_ptr<ControlServer>> doors_;
    std::uint64_t dropped_ = 0;
    boost::asio::steady_timer timer_;
    NodeRegistry nodes_;
    HostQuestions questions_;
    WayOrders ways_{store_, members_, nodes_,
                    [this](const std::string& machine) { return runs_.hosts_on(machine); }};
    MachineOrders machines_{members_, nodes_,
                            [this](const std::string& machine) { return runs_.hosts_on(machine); },
                            [this](const std::string& machine) { ways_.forget(machine); }};
    ActiveRuns runs_;
    LateEnds late_ends_{store_};
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
