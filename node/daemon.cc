#include "node/daemon.hh"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <utility>

#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include "base/files.hh"
#include "base/log.hh"
#include "base/overload.hh"
#include "model/bare_metal.hh"
#include "model/plane_choice.hh"
#include "node/chosen_plane.hh"
#include "node/dataplane/open_plane.hh"
#include "node/join.hh"
#include "node/left_run.hh"
#include "node/machine_interface.hh"
#include "wire/output_file.hh"

namespace pleat {

NodeDaemon::NodeDaemon(boost::asio::io_context& loop, NodeOptions options)
    : loop_{loop},
      options_{std::move(options)},
      incarnation_{static_cast<std::uint64_t>(
          std::chrono::nanoseconds{std::chrono::system_clock::now().time_since_epoch()}.count())},
      patience_{loop},
      sharing_{open_sharing()},
      controller_{loop, options_.controller,
                  [this](const Sender& from, ControlMessage message) {
                      receive(from.run, std::move(message));
                  },
                  options_.name, connection()} {
    wait_for_controller(std::chrono::seconds{3});
    read_ended_runs();
    take_over();
}

SharingSockets NodeDaemon::open_sharing() {
    if (!options_.membership) {
        const std::string directory = "ipc://" + options_.runtime_directory;
        return {loop_, directory + "/states-" + options_.name,
                directory + "/full-" + options_.name};
    }
    const std::string any_port = "tcp://" + options_.advertise + ":*";
    std::error_code none;
    if (std::filesystem::exists(sharing_file(), none)) {
        try {
            return open_known_sharing(any_port);
        } catch (const std::exception& problem) {
            log::warn("other nodes will find this one at new ports: {}", problem.what());
        }
    }
    same_ports_ = false;
    return {loop_, any_port, any_port, options_.membership->keys};
}

// Where the node daemon before us was. Throws when that can't be.
SharingSockets NodeDaemon::open_known_sharing(const std::string& any_port) const {
    std::ifstream file{sharing_file()};
    std::string states;
    std::string snapshots;
    file >> states >> snapshots;
    const std::string own = any_port.substr(0, any_port.size() - 1);
    if (!states.starts_with(own) || !snapshots.starts_with(own)) {
        throw Failure{sharing_file() + " is of another address"};
    }
    return {loop_, states, snapshots, options_.membership->keys};
}

std::string NodeDaemon::sharing_file() const {
    return options_.state_directory + "/sharing";
}

ClientConnection NodeDaemon::connection() {
    if (!options_.membership) {
        return {.pass = {}, .connected = [this] { say_hello(); }, .refused = {}};
    }
    return {.pass = options_.membership->pass(),
            .connected = [this] { say_hello(); },
            .refused =
                [this](const std::string&) {
                    log::error(
                        "the controller does not know this machine any more (pleat machines rm?): "
                        "remove {} and join anew",
                        membership_file(options_.state_directory));
                    exit_code_ = 1;
                    stop("removed from the controller");
                }};
}

// It may come at any time: who waits is told what for, ever less often.
void NodeDaemon::wait_for_controller(Duration patience) {
    patience_.expires_after(patience);
    patience_.async_wait([this, patience](const boost::system::error_code& error) {
        if (error || greeted_) return;
        log::warn("no controller answers at {} yet: still waiting for it", options_.controller);
        wait_for_controller(std::min<Duration>(2 * patience, std::chrono::minutes{1}));
    });
}

void NodeDaemon::say_hello() {
    patience_.cancel();
    if (std::exchange(greeted_, true)) log::info("the controller is there again");
    std::vector<HeldRun> held;
    for (const auto& [name, part] : runs_) {
        if (part.run) held.push_back(part.run->held());
    }
    for (const auto& [name, run] : ended_) {
        held.push_back({.run = name, .stage = HeldRun::Stage::ended, .at = {}});
    }
    controller_.send(Hello{.node = options_.name,
                           .version = PLEAT_VERSION,
                           .incarnation = incarnation_,
                           .address = sharing_.address(),
                           .protocol = kProtocolVersion,
                           .room = options_.room,
                           .runs = std::move(held),
                           .processors = options_.processors});
}

// For the next one. Not before runs were taken over: it must not say that we are somewhere else.
void NodeDaemon::write_sharing_file() const {
    try {
        const NodeAddress own = sharing_.address();
        write_new_file(sharing_file(), own.states + "\n" + own.snapshots + "\n");
    } catch (const std::exception& problem) {
        log::warn("{}", problem.what());
    }
}

// ---- runs that have ended

std::string NodeDaemon::ended_file(const std::string& run) const {
    return options_.state_directory + "/runs/" + run + "/ended";
}

void NodeDaemon::read_ended_runs() {
    if (!options_.membership) return;
    std::error_code none;
    const std::string directory = options_.state_directory + "/runs";
    for (const auto& entry : std::filesystem::directory_iterator{directory, none}) {
        const std::string run = entry.path().filename().string();
        if (!std::filesystem::exists(ended_file(run))) continue;
        Result<EndedRun> ended = read_ended_run(
            ended_file(run), entry.path().string() + "/node-" + options_.name + ".log");
        if (ended) {
            ended_.emplace(run, *std::move(ended));
        } else {
            log::error("what came of run={} is lost: {}", run, ended.error().message);
        }
    }
}

void NodeDaemon::collect(const std::string& run, std::uint64_t offset) {
    const auto found = ended_.find(run);
    if (found == ended_.end()) return;
    found->second.tell(
        [this, &run](const ControlMessage& message) { controller_.send(message, run); }, offset);
}

void NodeDaemon::end(const std::string& run, EndedRun ended) {
    const bool unwanted = runs_.at(run).unwanted;
    dissolve(run);
    if (!unwanted) {
        try {
            if (options_.membership) keep_ended_run(ended_file(run), ended);
        } catch (const std::exception& problem) {
            log::warn("what came of run={} is kept in memory only: {}", run, problem.what());
        }
        ended_.insert_or_assign(run, std::move(ended));
        collect(run, 0);
    }
    if (leaving_ && runs_.empty()) leave();
}

void NodeDaemon::forget(const std::string& run) {
    const auto found = runs_.find(run);
    if (found != runs_.end()) found->second.unwanted = true;
    if (ended_.erase(run) == 0 || !options_.membership) return;
    std::error_code gone;
    std::filesystem::remove(ended_file(run), gone);
}

// ---- messages

NodeRun* NodeDaemon::find(const std::string& run) const {
    const auto found = runs_.find(run);
    return found == runs_.end() ? nullptr : found->second.run.get();
}

void NodeDaemon::receive(const std::string& run, ControlMessage message) {
    NodeRun* const ours = find(run);
    std::visit(Overload{
                   [this, &run](const OpenWay&) { open_way(run); },
                   [this, &run](const MeasureWay& order) { measure(run, order); },
                   [this](PrepareRun& prepared) { prepare(std::move(prepared)); },
                   [this, ours, &run](PrepareEpoch& epoch) {
                       if (ours == nullptr) return;
                       if (runs_.at(run).journal) runs_.at(run).journal->add(epoch);
                       ours->add_epoch(std::move(epoch));
                   },
                   [this, &run](const ClockPing& ping) {
                       controller_.send(ClockPong{.sequence = ping.sequence,
                                                  .ping_sent = ping.sent,
                                                  .at = monotonic_now()},
                                        run);
                   },
                   [ours](const Begin& begin) {
                       if (ours != nullptr) ours->begin(begin.t0);
                   },
                   [this, ours, &run](const ConfirmBegin& confirmed) {
                       if (ours == nullptr) return;
                       if (runs_.at(run).journal) runs_.at(run).journal->add(confirmed);
                       ours->confirm(confirmed.t0);
                   },
                   [this, ours, &run](AnnounceChange& change) {
                       if (ours == nullptr) return;
                       if (runs_.at(run).journal) runs_.at(run).journal->add(change);
                       ours->change(std::move(change));
                   },
                   [this, ours, &run](const EndRun& end) {
                       ways_.erase(run);
                       measurements_.erase(run);
                       if (ours != nullptr) ours->end(end.reason, end.interrupted);
                   },
                   [this, &run](const Collect& asked) { collect(run, asked.offset); },
                   [this, &run](const Forget&) { forget(run); },
                   [this](const Refused& refused) {
                       log::error("the controller refuses this node: {}", refused.message);
                       exit_code_ = 1;
                       stop("refused by the controller");
                   },
                   [this](const ReadOutput& question) { answer(question); },
                   [this](RunOnHost& question) { answer(std::move(question)); },
                   [this](const Shutdown&) { stop("told to shut down"); },
                   [](const auto& other) {
                       static_cast<void>(other);
                       log::warn("a message that is not for a node was dropped");
                   },
               },
               message);
}

// The same when asked again.
void NodeDaemon::open_way(const std::string& run) {
    try {
        RunWays& ways = ways_[run];
        if (!ways.tunnel.open()) {
            ways = open_run_ways(options_.advertise, options_.tunnel_ports, reaches_machines());
        }
        controller_.send(ways.told(), run);
    } catch (const std::exception& error) {
        ways_.erase(run);
        log::error("no way to other machines could be opened: {}", error.what());
        controller_.send(NodeFailed{.message = error.what()}, run);
    }
}

void NodeDaemon::measure(const std::string& name, const MeasureWay& order) {
    const auto ended = [this, name, leads = order.leads](const Result<WayQuality>& quality) {
        measurements_.erase(name);
        if (!quality) return controller_.send(NodeFailed{.message = quality.error().message}, name);
        if (leads) controller_.send(WayMeasured{.quality = *quality}, name);
    };
    FileDescriptor socket = std::move(ways_[name].tunnel);
    ways_.erase(name);
    try {
        const auto endpoint = parse_endpoint(order.way);
        WayToMeasure way{.peer = order.peer,
                         .endpoint = {},
                         .key = {},
                         .leads = order.leads,
                         .rates = order.rates};
        if (!endpoint || order.way_key.size() != way.key.size()) {
            throw Failure{fmt::format("the way to machine {} makes no sense", order.peer)};
        }
        way.endpoint = *endpoint;
        std::ranges::transform(order.way_key, way.key.begin(),
                               [](char byte) { return static_cast<std::uint8_t>(byte); });
        measurements_[name] =
            std::make_unique<WayMeasurement>(loop_, std::move(socket), way, ended);
    } catch (const std::exception& error) {
        measurements_.erase(name);
        controller_.send(NodeFailed{.message = error.what()}, name);
    }
}

// What a machine lacks does not change often, and to find out takes a moment.
bool NodeDaemon::reaches_machines() {
    if (reaches_machines_) return *reaches_machines_;
    const auto forced = plane_named(options_.data_plane);
    const std::string missing =
        forced && !is_of_kernel(*forced) ? "another one is forced" : missing_for_machines();
    if (!missing.empty()) {
        log::info(R"(kernel planes do not reach other machines reason="{}")", missing);
    }
    reaches_machines_ = missing.empty();
    return *reaches_machines_;
}

NodeRun::Send NodeDaemon::sender(const std::string& run) {
    return [this, run](const ControlMessage& message) { controller_.send(message, run); };
}

NodeRun::Ended NodeDaemon::ender(const std::string& run) {
    return [this, run](EndedRun ended) {
        // The run must not be destroyed inside its own callback.
        boost::asio::post(
            loop_, [this, run, told = std::move(ended)]() mutable { end(run, std::move(told)); });
    };
}

void NodeDaemon::take_over() {
    if (options_.membership) {
        for (LeftRun& left : adopt_left_runs(options_.state_directory, options_.name)) {
            Part& part = runs_[left.run];
            part.ledger = std::move(left.ledger);
            if (take_over(std::move(left.journal), part)) continue;
            remove_left_run(*std::exchange(part.ledger, {}));
            runs_.erase(left.run);
        }
        if (!same_ports_) write_sharing_file();
        return;
    }
    const std::string file = journal_in(options_.runtime_directory);
    std::optional<JournaledRun> left = read_journal(file);
    if (!left) return;
    const std::string run = left->prepare.options.run;
    if (take_over(*std::move(left), runs_[run])) return;
    runs_.erase(run);
    std::error_code gone;
    std::filesystem::remove(file, gone);
}

// False when it can't be: then we don't have the run, and the controller hears that.
bool NodeDaemon::take_over(JournaledRun left, Part& part) {
    const std::string run = left.prepare.options.run;
    if (has_attached_hosts(left.prepare.scenario)) {
        log::warn("run={} ends with the node daemon that had it: this machine is one of its hosts",
                  run);
        settle_interface(left.prepare.options.runtime_directory);
        return false;
    }
    log::info("taking over run={}", run);
    part.directory = left.prepare.options.run_directory;
    try {
        // The device of VXLAN is there, in the underlay.
        RunWays ways;
        if (!left.way.empty()) ways.tunnel = reopen_tunnel_end(left.way);
        if (!left.prepare.peers.empty() && !same_ports_) {
            throw Failure{"its peers would not find this machine's flows at its new ports"};
        }
        part.run = std::make_unique<NodeRun>(loop_, options_, sharing_, std::move(left),
                                             std::move(ways), sender(run), ender(run));
        return true;
    } catch (const std::exception& problem) {
        log::error("run={} can't be taken over: {}", run, problem.what());
        return false;
    }
}

void NodeDaemon::answer(const ReadOutput& question) {
    OutputPiece piece;
    const auto part = runs_.find(question.run);
    const bool is_file = question.host.find('/') == std::string::npos;
    if (part != runs_.end() && is_file) {
        piece = read_output(part->second.directory + "/logs/" + question.host + ".log",
                            question.offset);
    }
    piece.ticket = question.ticket;
    controller_.send(piece, question.run);
}

void NodeDaemon::answer(RunOnHost question) {
    const auto tell = [this, run = question.run, ticket = question.ticket](
                          std::optional<int> exit_code, std::string output) {
        controller_.send(
            RanOnHost{.ticket = ticket, .exit_code = exit_code, .output = std::move(output)}, run);
    };
    NodeRun* const ours = find(question.run);
    if (ours == nullptr) return tell(127, "pleat: the run is not prepared yet\n");
    ours->execute(question.host, std::move(question.arguments), tell);
}

void NodeDaemon::prepare(PrepareRun prepare) {
    const std::string run = prepare.options.run;
    if (find(run) != nullptr) {
        controller_.send(NodeFailed{.message = "this node has the run " + run + " already"}, run);
        return;
    }
    try {
        Part& part = runs_[run];
        RunWays ways = std::move(ways_[run]);
        ways_.erase(run);
        make_place(prepare, part);
        part.directory = prepare.options.run_directory;
        part.journal.emplace(
            journal_in(part.ledger ? part.ledger->directory() : options_.runtime_directory));
        if (ways.tunnel.open()) part.journal->add(ways.told());
        part.journal->add(prepare);
        part.run = std::make_unique<NodeRun>(loop_, options_, sharing_, std::move(prepare),
                                             std::move(ways), sender(run), ender(run));
    } catch (const std::exception& error) {
        dissolve(run);
        log::error("the run could not be prepared: {}", error.what());
        int exit_code = 1;
        if (dynamic_cast<const MissingFeature*>(&error) != nullptr) {
            exit_code = NodeFailed::kMissingFeature;
        }
        if (dynamic_cast<const Unsuitable*>(&error) != nullptr) {
            exit_code = NodeFailed::kInvalidTopology;
        }
        controller_.send(NodeFailed{.message = error.what(), .exit_code = exit_code}, run);
    }
}

// On a machine of its own a run has its directories here, and this process is its owner.
void NodeDaemon::make_place(PrepareRun& prepare, Part& part) const {
    if (!options_.membership) return;
    const std::string& run = prepare.options.run;
    prepare.options.run_directory = options_.state_directory + "/runs/" + run;
    std::filesystem::create_directories(prepare.options.run_directory);
    part.ledger = RunLedger::create(ledger_name(run, options_.name));
    prepare.options.runtime_directory = part.ledger->directory();
}

void NodeDaemon::dissolve(const std::string& run) {
    const auto found = runs_.find(run);
    if (found == runs_.end()) return;
    found->second.run.reset();
    if (found->second.ledger) {
        try {
            found->second.ledger->dissolve();
        } catch (const std::exception& problem) {
            log::warn("{}", problem.what());
        }
    }
    runs_.erase(found);
}

void NodeDaemon::stop(const std::string& reason) {
    leaving_ = true;
    if (runs_.empty()) return leave();
    for (const auto& [name, part] : runs_) part.run->end(reason, true);
}

void NodeDaemon::leave() {
    loop_.stop();
}

}  // namespace pleat
