// A controller over real sockets, with a scripted node and a scripted command line in the same
// loop. Every wait has a deadline.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

#include "base/log.hh"
#include "base/overload.hh"
#include "controller/daemon.hh"
#include "tests/controller/plans.hh"
#include "tests/wire/temporary_directory.hh"
#include "wire/control_socket.hh"
#include "wire/log_file.hh"

namespace pleat::testing {

using namespace std::chrono_literals;

// Does what a node does, and runs nothing.
class FakeNode {
  public:
    FakeNode(boost::asio::io_context& loop, const std::string& endpoint,
             std::uint64_t incarnation = 1, const std::string& name = "local")
        : client_{loop, endpoint,
                  [this](const Sender& from, const ControlMessage& m) { receive(from.run, m); },
                  name},
          name_{name} {
        client_.send(Hello{
            .node = name, .version = "0", .incarnation = incarnation, .address = {}, .room = {}});
    }

    bool silent = false;     // hears, and says nothing
    bool busy = false;       // hears, and does all of it once it is not busy any more
    bool shut_down = false;  // was told to
    bool ended = false;      // was told to end a run
    std::string refused;
    std::optional<Instant> t0;  // confirmed
    std::set<std::string> forgotten;

    void end_run(const std::string& run, bool interrupted) {
        RunEnded results = run_ended("over", interrupted);
        results.control = {10, 100};
        say(results, run);
        std::string log;
        for (int i = 0; i < 1000; ++i) {
            log += framed(SampleRecord{ExperimentTime{i * 100ms}, {HostId{0}, HostId{1}}, 1, 1, 1});
        }
        for (std::size_t at = 0; at < log.size(); at += 10'000) {
            say(LogChunk{.offset = at, .bytes = log.substr(at, 10'000)}, run);
        }
        say(LogEnd{log.size()}, run);
    }

    void say(const ControlMessage& message, const std::string& run) { client_.send(message, run); }

    void do_what_waits() {
        busy = false;
        for (const auto& [run, message] : std::exchange(undone_, {})) receive(run, message);
    }

    // The tables of a run that it has prepared.
    std::map<std::string, PathTable> tables;
    std::map<std::string, std::vector<Peer>> peers;

  private:
    void receive(const std::string& run, const ControlMessage& message) {
        if (silent) return;
        if (busy) {
            undone_.emplace_back(run, message);
            return;
        }
        std::visit(Overload{
                       [&](const OpenWay&) { say(WayOpened{"127.0.0.1:1"}, run); },
                       [&](const PrepareRun& m) {
                           tables.insert_or_assign(run, m.base);
                           peers[run] = m.peers;
                           hosts_[run] = m.local_hosts.size();
                           epochs_left_[run] = m.epoch_starts.size();
                           prepared(run);
                       },
                       [&](const PrepareEpoch& m) {
                           tables.insert_or_assign(run, tables.at(run).with(m.delta).value());
                           prepared(run);
                       },
                       [&](const ClockPing& m) {
                           say(ClockPong{m.sequence, m.sent, monotonic_now()}, run);
                       },
                       [&](const Begin& m) { say(BeginAccepted{m.t0}, run); },
                       [&](const ConfirmBegin& m) {
                           t0 = m.t0;
                           say(Progress{}, run);
                       },
                       [&](const EndRun& m) {
                           ended = true;
                           end_run(run, m.interrupted);
                       },
                       [&](const Refused& m) { refused = m.message; },
                       [&](const MeasureWay& m) {
                           const WayQuality quality{.round_trips = {.least = 1ms, .median = 1ms},
                                                    .mtu = DataSize::bytes(1500),
                                                    .there = {},
                                                    .back = {}};
                           if (m.leads) say(WayMeasured{quality}, run);
                       },
                       [&](const Forget&) { forgotten.insert(run); },
                       [this](const Shutdown&) { shut_down = true; },
                       [](const auto&) {},
                   },
                   message);
    }

    void prepared(const std::string& run) {
        const PathTable& table = tables.at(run);
        say(Prepared{table.version(), table.epoch(), table.hash()}, run);
        if (--epochs_left_[run] > 0) return;
        say(HostsReady{.hosts = static_cast<std::uint32_t>(hosts_[run]), .data_plane = "fake"},
            run);
    }

    ControlClient client_;
    std::string name_;
    std::map<std::string, std::size_t> hosts_;
    std::map<std::string, std::size_t> epochs_left_;
    std::vector<std::pair<std::string, ControlMessage>> undone_;
};

struct DaemonWorld {
    DaemonWorld() { log::silence(); }

    boost::asio::io_context loop;
    TemporaryDirectory directory;
    std::string endpoint = "ipc://" + directory.path() + "/control";
    std::string state = directory.path() + "/state";
    std::vector<std::string> more_doors;
    bool done = false;
    SessionDeadlines deadlines;
    std::unique_ptr<ControllerDaemon> daemon;
    std::vector<ControlMessage> told;                             // to the command line
    std::vector<std::pair<std::string, ControlMessage>> told_of;  // the same, with the run
    std::unique_ptr<ControlClient> cli;
    std::unique_ptr<FakeNode> node;

    void open() {
        std::vector<std::string> doors{endpoint};
        doors.insert(doors.end(), more_doors.begin(), more_doors.end());
        daemon = std::make_unique<ControllerDaemon>(
            loop, ControllerOptions{doors, state, deadlines}, [this] { done = true; });
        cli = std::make_unique<ControlClient>(loop, endpoint,
                                              [this](const Sender& from, const ControlMessage& m) {
                                                  told.push_back(m);
                                                  told_of.emplace_back(from.run, m);
                                              });
    }

    template <typename Message>
    const Message* heard_of(const std::string& run) const {
        for (const auto& [of, message] : told_of) {
            const auto* found = std::get_if<Message>(&message);
            if (of == run && found != nullptr) return found;
        }
        return nullptr;
    }

    void add_node(std::uint64_t incarnation = 1) {
        node = std::make_unique<FakeNode>(loop, endpoint, incarnation);
    }

    bool until(const std::function<bool()>& condition) {
        const Instant deadline = monotonic_now() + 15s;
        while (!condition()) {
            if (monotonic_now() > deadline) return false;
            loop.run_one_for(10ms);
        }
        return true;
    }

    template <typename Message>
    const Message* heard() const {
        for (const ControlMessage& message : told) {
            if (const auto* found = std::get_if<Message>(&message)) return found;
        }
        return nullptr;
    }

    template <typename Message>
    const Message& hear() {
        REQUIRE(until([this] { return heard<Message>() != nullptr; }));
        return *heard<Message>();
    }

    void submit(const std::string& run) const {
        cli->send(dumbbell_submit(run, directory.path() + "/" + run));
    }

    void submit_and_start(const std::string& run) {
        submit(run);
        hear<Submitted>();
        cli->send(StartRun{run});
    }
};

}  // namespace pleat::testing
