#include "node/node_run.hh"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/joined.hh"
#include "base/lifeline.hh"
#include "base/log.hh"
#include "base/overload.hh"
#include "model/addressing.hh"
#include "model/bare_metal.hh"
#include "model/missed_machines.hh"
#include "node/announced_changes.hh"
#include "node/chosen_plane.hh"
#include "node/counter_rounds.hh"
#include "node/dataplane/open_plane.hh"
#include "node/epoch_tables.hh"
#include "node/host_commands.hh"
#include "node/hosts/host_fleet.hh"
#include "node/hosts/takeover.hh"
#include "node/log_so_far.hh"
#include "node/machine_interface.hh"
#include "node/repeating_timer.hh"
#include "node/run_events.hh"
#include "node/run_hosts.hh"
#include "node/run_recorder.hh"
#include "node/run_sharing.hh"
#include "node/run_stage.hh"
#include "node/stop_scripts.hh"
#include "node/table_schedule.hh"

namespace pleat {

namespace {

// A start that is announced later than this before it is refused.
constexpr Duration kLeastNotice = std::chrono::milliseconds{10};
// With keepers that may still wait for the end of the node daemon before us.
constexpr Duration kKeeperPatience = std::chrono::seconds{10};

std::int64_t microseconds(Duration duration) {
    return std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
}

// What the results say of a run that was taken over.
std::string takeover_text(const LogSoFar& so_far, ExperimentTime now, bool in_kernel) {
    const auto seconds = [](Duration d) { return std::chrono::duration<double>{d}.count(); };
    return fmt::format(
        "the node daemon was started anew and took over the run at {:.3f} s; nothing of the "
        "{:.3f} s before is recorded, and {}",
        seconds(now.time_since_epoch()), seconds(now - so_far.last),
        in_kernel ? "packets were shaped by the kernel meanwhile" : "packets under way were lost");
}

AddressPlan addresses_of(const Scenario& scenario) {
    Result<AddressPlan> plan = address_plan(scenario);
    if (!plan) throw Failure{plan.error().message};
    return *plan;
}

}  // namespace

class NodeRun::Impl {
  public:
    Impl(boost::asio::io_context& loop, const NodeOptions& options, SharingSockets& sockets,
         PrepareRun prepare, RunWays ways, const JournaledRun* left, Send send, Ended ended)
        : options_{std::move(prepare.options)},
          scenario_{std::move(prepare.scenario)},
          local_hosts_{std::move(prepare.local_hosts)},
          epoch_starts_{std::move(prepare.epoch_starts)},
          epoch_events_{std::move(prepare.epoch_events)},
          node_{options.name},
          peers_{std::move(prepare.peers)},
          sends_outputs_{options.membership.has_value()},
          send_{std::move(send)},
          ended_{std::move(ended)},
          addresses_{addresses_of(scenario_)},
          machine_{own_machine(scenario_, addresses_, local_hosts_,
                               {.controller = options.controller,
                                .way = ways.tunnel.open() ? ways.told().endpoint : "",
                                .own = sockets.address(),
                                .peers = peers_,
                                .more = options.spared_ports})},
          folder_{scenario_},
          tables_{std::move(prepare.base)},
          so_far_{left == nullptr ? LogSoFar{} : read_log_so_far(log_path(options))},
          recorder_{log_path(options)},
          left_hosts_{left == nullptr ? LeftHosts{}
                                      : ask_keepers(options_.runtime_directory, options_.run,
                                                    local_hosts_, kKeeperPatience)},
          plane_kind_{left != nullptr
                          ? plane_that_left(left_hosts_.held)
                          : chosen_plane({.peers = peers_,
                                          .has_vxlan = ways.vxlan.open(),
                                          .encrypt = options_.encrypt,
                                          .attached = machine_.is_host()},
                                         options_.data_plane.empty() ? options.data_plane
                                                                     : options_.data_plane)},
          plane_{open_plane(
              plane_kind_,
              PlaneContext{.folder = folder_,
                           .addresses = addresses_,
                           .seed = scenario_.seed,
                           .run = options_.run,
                           .report = [this](const PlaneReport& report) { receive(report); },
                           .loop = loop,
                           .local_hosts = local_hosts_.size(),
                           .tunnel = tunnel_settings(options.name, peers_, scenario_,
                                                     options_.encrypt, std::move(ways.tunnel)),
                           .bare_metal = machine_.bare_metal(),
                           .left = std::exchange(left_hosts_.held, {})})},
          schedule_{tables_, epoch_starts_, recorder_, *plane_},
          changes_{loop, schedule_, recorder_, outputs_of_changes()},
          tunnel_{loop, *plane_, peers_, [this] { announce_if_ready(); },
                  [this](const std::string& warning) {
                      send_(Stage{.name = "machine", .text = warning});
                  }},
          sharing_{loop,
                   sockets,
                   SharingMember{.run = options_.run,
                                 .node = options.name,
                                 .incarnation = static_cast<std::uint64_t>(
                                     monotonic_now().time_since_epoch().count()),
                                 .compare_shares = options_.compare_shares,
                                 .peers = peers_},
                   folder_,
                   tables_.base(),
                   sharing_outputs()},
          sharer_{sharing_.sharer()},
          fleet_{loop,
                 FleetOptions{.run = options_.run,
                              .run_directory = options_.run_directory,
                              .runtime_directory = options_.runtime_directory,
                              .keeper_program = options.keeper_program,
                              .attachment = plane_->attaches_to(),
                              .machine_interface = machine_.interface,
                              .takeover = options_.takeover,
                              .ready_deadline = options_.ready_deadline},
                 [this](const HostReport& report) { receive(report); }},
          commands_{loop, fleet_, options_.run_directory},
          stop_scripts_{loop, commands_, scenario_, local_hosts_, !options_.no_applications},
          hosts_{scenario_, addresses_, local_hosts_, !options_.no_applications,
                 surroundings_of_hosts()},
          events_{loop,
                  scenario_.timeline,
                  {.hosts = hosts_,
                   .commands = commands_,
                   .recorder = recorder_,
                   .quit = [this] { end("an event said quit", false); },
                   .done = [this] { end_if_over(); }}},
          counters_{loop,
                    *plane_,
                    sharer_,
                    recorder_,
                    options_.sample_interval,
                    [this](Instant now) { each_second(now); }},
          wait_timer_{loop} {
        if (left != nullptr) {
            take_over(*left);
            return;
        }
        if (machine_.is_host()) note_interface(machine_.interface, options_.runtime_directory);
        if (auto vxlan = vxlan_of(std::move(ways))) fleet_.reach_machines(*std::move(vxlan));
        add_hosts(fleet_.create(scenario_, addresses_, local_hosts_));
        for (const auto& [name, descriptor] : plane_->leaves()) fleet_.hold(name, descriptor);
        schedule_.prepare(monotonic_now());
        send_(Prepared{.version = tables_.base()->version(),
                       .epoch = tables_.base()->epoch(),
                       .hash = tables_.base()->hash()});
        hosts_.start_due(false);
        announce_if_ready();
    }

    void add_epoch(PrepareEpoch epoch) {
        const PathTableDelta& delta = epoch.delta;
        const std::uint32_t version = delta.version;
        const EpochId id = delta.epoch;
        const Result<std::uint64_t> hash = tables_.add(std::move(epoch.delta), epoch.based_on);
        const bool by_hand = version != tables_.base()->version();
        if (!hash && by_hand) {
            return changes_.tables_refused(hash.error().message, monotonic_now());
        }
        if (!hash) {
            send_(NodeFailed{.message = hash.error().message});
            return;
        }
        send_(Prepared{.version = version, .epoch = id, .hash = *hash});
        if (by_hand) {
            schedule_.top_up();
            return changes_.tables_here(monotonic_now());
        }
        announce_if_ready();
    }

    void begin(Instant t0) {
        if (stage_ != RunStage::ready) return;
        const Instant now = monotonic_now();
        if (now > t0 - kLeastNotice) {
            refuse_begin(t0,
                         fmt::format("it was announced {} us before T0", microseconds(t0 - now)));
            return;
        }
        send_(BeginAccepted{.t0 = t0});
    }

    void confirm(Instant t0) {
        if (stage_ != RunStage::ready) return;
        const Instant now = monotonic_now();
        if (now > t0) {
            refuse_begin(t0,
                         fmt::format("it was confirmed {} us after T0", microseconds(now - t0)));
            return;
        }
        stage_ = RunStage::counting;
        recorder_.begin(t0);
        record_epoch(TableActivated{.version = tables_.base()->version(),
                                    .epoch = EpochId{0},
                                    .planned = t0,
                                    .actual = t0});
        schedule_.begin();
        wait_until(t0, [this] { run(); });
    }

    void end(const std::string& reason, bool interrupted) {
        if (ending()) return;
        log::info("run ending reason=\"{}\"", reason);
        outcome_.reason = reason;
        outcome_.interrupted = interrupted;
        stage_ = RunStage::ending;
        events_.stop();
        wait_timer_.cancel();
        stop_scripts_.run([this](std::vector<std::string> problems) {
            std::ranges::move(problems, std::back_inserter(outcome_.problems));
            fleet_.end_applications([this] { dissolve(); });
        });
    }

    void change(AnnounceChange change) {
        if (!recorder_.begun() || ending()) return;
        changes_.announce(std::move(change), monotonic_now());
    }

    HeldRun held() const {
        HeldRun result{.run = options_.run};
        result.changes = changes_.count();
        if (!recorder_.begun()) return result;
        result.stage = HeldRun::Stage::under_way;
        result.at = recorder_.at(monotonic_now());
        return result;
    }

    void execute(const std::string& host, std::vector<std::string> arguments, Executed told) {
        const auto local =
            std::ranges::find(local_hosts_, host, [this](HostId id) { return name(id); });
        if (local == local_hosts_.end() || ending()) {
            return told(127, "pleat: host " + host + " is not there\n");
        }
        commands_.execute(*local, std::move(arguments), std::move(told));
    }

  private:
    // ---- preparing

    std::string log_path(const NodeOptions& options) const {
        return options_.run_directory + "/node-" + options.name + ".log";
    }

    void add_hosts(std::vector<HostPort> ports) {
        // A plane wants to know the outside host before those that may send to it.
        const auto outside = std::ranges::find_if(ports, &HostPort::outside);
        if (outside != ports.end()) std::rotate(ports.begin(), outside, outside + 1);
        for (HostPort& port : ports) plane_->add_host(std::move(port));
    }

    // ---- taking over

    void take_over(const JournaledRun& left) {
        is_taken_over_ = true;
        for (const PrepareEpoch& epoch : left.epochs) {
            const Result<std::uint64_t> hash = tables_.add(epoch.delta, epoch.based_on);
            if (!hash) throw Failure{hash.error().message};
        }
        recorder_.begin(left.t0);
        stage_ = RunStage::counting;
        add_hosts(fleet_.adopt(scenario_, addresses_, local_hosts_, left_hosts_));
        const Instant now = monotonic_now();
        const bool in_kernel = plane_->attaches_to() == AttachmentKind::kernel_interface;
        if (in_kernel) sharer_.resume(so_far_.demands, now);
        events_.skip(hosts_.recall(so_far_));
        sharer_.table_activated(schedule_.resume(now, changes_.in_force_by(left.changes, now)),
                                now);
        changes_.resume(left.changes, now);
        counters_.share_if_active();
        counters_.taken_over();
        const std::string text = takeover_text(so_far_, recorder_.at(now), in_kernel);
        log::warn("{}", text);
        outcome_.problems.push_back(text);
        recorder_.event(so_far_.last, now, "node daemon started anew");
        wait_until(std::max(now, left.t0), [this] { run(); });
    }

    // Says HostsReady once everything is prepared and the barrier is reached.
    void announce_if_ready() {
        if (stage_ != RunStage::preparing) return;
        if (tables_.count() < epoch_starts_.size() || !hosts_.progress().barrier_reached()) return;
        if (!sharing_.all_heard() || !tunnel_.open()) return;
        stage_ = RunStage::ready;
        warn_of_ways();
        send_(HostsReady{.hosts = static_cast<std::uint32_t>(local_hosts_.size()),
                         .data_plane = std::string{plane_->name()}});
    }

    void warn_of_ways() {
        std::vector<std::string> warnings;
        if (plane_->attaches_to() == AttachmentKind::kernel_interface && !machine_.is_host()) {
            warnings = vxlan_warnings(node_, peers_, plane_->peers());
        }
        warnings.push_back(tunnel_.too_quick_paths(node_, folder_, *tables_.base()));
        for (const std::string& text : warnings) {
            if (!text.empty()) send_(Stage{.name = "machine", .text = text});
        }
    }

    std::optional<VxlanSettings> vxlan_of(RunWays ways) const {
        if (machine_.is_host()) return {};
        if (plane_->attaches_to() != AttachmentKind::kernel_interface) return {};
        return vxlan_settings(options_.run, node_, peers_, scenario_, addresses_, std::move(ways));
    }

    void refuse_begin(Instant t0, std::string why) {
        send_(BeginRefused{.t0 = t0, .reason = std::move(why)});
    }

    // ---- running

    void run() {
        if (stage_ != RunStage::counting) return;
        stage_ = RunStage::running;
        const Instant t0 = recorder_.instant(ExperimentTime{});
        hosts_.start_due(true);
        events_.begin(t0);
        counters_.begin(t0, options_.samples);
        if (scenario_.duration) {
            wait_until(recorder_.instant(ExperimentTime{*scenario_.duration}),
                       [this] { end("its duration is over", false); });
        }
        end_if_over();
    }

    void end_if_over() {
        if (stage_ != RunStage::running || !hosts_.progress().over()) return;
        end("all its hosts have ended", false);
    }

    AnnouncedChanges::Outputs outputs_of_changes() {
        return {.send = send_,
                .play =
                    [this](const TimedEvent& event) {
                        if (ending()) return;
                        events_.carry_out(event);
                        end_if_over();
                    },
                .done = [this](std::uint32_t changes) { sharing_.tell_changes(changes); },
                .fence = [this](bool closed) { fence(closed); },
                .problem = [this](const std::string& text) { outcome_.problems.push_back(text); }};
    }

    void fence(bool closed) {
        const Instant now = monotonic_now();
        outcome_.failed = true;
        hosts_.fence(closed, now);
        recorder_.event(recorder_.at(now), now,
                        closed ? "cut from the network: a change by hand was missed"
                               : "connected again: the change by hand is in force");
    }

    void each_second(Instant now) {
        changes_.check(now);
        give_up_missed(now);
        if (sharing_.alone()) sharing_.heartbeat();
        send_(Progress{
            .at = recorder_.at(now),
            .epoch = schedule_.in_force(),
            .throughput_bps = counters_.bytes_since() * 8,
            .hosts_ready = static_cast<std::uint32_t>(hosts_.progress().ready_count()),
            .hosts_running = static_cast<std::uint32_t>(hosts_.progress().running_count())});
        recorder_.flush();
    }

    // ---- what hosts report

    void receive(const HostReport& report) {
        if (const auto* const ended = std::get_if<ExecEnded>(&report)) {
            command_ended(*ended);
        } else {
            hosts_.receive(report, stage_);
        }
        end_if_over();
    }

    RunHosts::Surroundings surroundings_of_hosts() {
        return {.fleet = fleet_,
                .plane = *plane_,
                .sharing = sharing_,
                .recorder = recorder_,
                .ready = [this] { announce_if_ready(); },
                .problem = [this](const std::string& text) { outcome_.problems.push_back(text); },
                .fail = [this](const std::string& problem) { fail(problem); }};
    }

    void command_ended(const ExecEnded& ended) {
        if (commands_.ended(ended) || ended.exit_code == 0) return;
        log::warn("exec failed host={} exit_code={}", name(ended.host), ended.exit_code);
    }

    void fail(const std::string& problem) {
        outcome_.failed = true;
        outcome_.problems.push_back(problem);
        end(problem, false);
    }

    // ---- what the plane reports

    void receive(const PlaneReport& report) {
        std::visit(Overload{
                       [this](const FlowStarted& started) {
                           sharer_.flow_started(started, monotonic_now());
                           counters_.share_if_active();
                       },
                       [this](const TableActivated& activated) { table_activated(activated); },
                   },
                   report);
    }

    void table_activated(const TableActivated& activated) {
        const auto activation = schedule_.activated(activated);
        if (activation) {
            sharer_.table_activated(activation->table, monotonic_now());
            changes_.in_force(activated.version, activated.actual);
            if (!activation->opens_epoch) return;
        }
        // Of a run that was taken over, what came into force while nobody was there.
        if (!activation && (!is_taken_over_ || so_far_.epochs.contains(activated.epoch))) return;
        so_far_.epochs.insert(activated.epoch);
        record_epoch(activated);
    }

    // ---- sharing, and what other nodes tell

    RunSharingOutputs sharing_outputs() {
        return RunSharingOutputs{
            .set_caps = [this](std::vector<FlowCap> caps) { plane_->set_caps(std::move(caps)); },
            .share = [this](FlowKey flow, Bandwidth share,
                            Instant now) { recorder_.share(flow, share, now); },
            .published =
                [this](const std::vector<FlowState>& flows) {
                    recorder_.demands(flows, monotonic_now());
                },
            .host =
                [this](HostId host, const HostStatus& status) {
                    hosts_.progress().remote(host, status);
                    if (status.ready) hosts_.start_due(stage_ == RunStage::running);
                    announce_if_ready();
                    end_if_over();
                },
            .peer_heard =
                [this](const Peer& peer) {
                    missed_.heard(peer.name);
                    announce_if_ready();
                },
            .peer_lost = [this](const Peer& peer) { peer_lost(peer); },
            .problem =
                [this](const std::string& problem) {
                    outcome_.failed = true;
                    outcome_.problems.push_back(problem);
                },
            .changes_heard =
                [this](std::uint32_t changes) { changes_.heard(changes, monotonic_now()); }};
    }

    // Whether it is dead or only cut off, the controller may know better.
    void peer_lost(const Peer& peer) {
        send_(Stage{.name = "machine",
                    .text = fmt::format("machine {} is not heard any more: its flows count as gone",
                                        peer.name)});
        missed_.missed(peer.name, monotonic_now());
    }

    void give_up_missed(Instant now) {
        for (const std::string& machine : missed_.given_up(now)) {
            for (const HostId host : std::ranges::find(peers_, machine, &Peer::name)->hosts) {
                hosts_.progress().lost(host);
            }
        }
        end_if_over();
    }

    // ---- the log

    void record_epoch(const TableActivated& activated) {
        const auto index = activated.epoch.value;
        recorder_.epoch(activated, epoch_starts_[index], joined(epoch_events_[index], "; "));
        log::info("epoch switched epoch={} late_us={}", index,
                  microseconds(activated.actual - activated.planned));
    }

    // ---- ending

    void dissolve() {
        counters_.stop();
        recorder_.totals(plane_->totals());
        recorder_.round_trips(tunnel_.round_trips());
        for (const HostId host : local_hosts_) plane_->remove_host(host);
        if (machine_.is_host()) settle_interface(options_.runtime_directory);
        fleet_.dissolve([this] { finish(); });
    }

    void finish() {
        stage_ = RunStage::ended;
        recorder_.flush();
        if (const auto fenced = changes_.fenced()) outcome_.problems.push_back(*fenced);
        if (recorder_.problem()) outcome_.problems.push_back(*recorder_.problem());
        outcome_.failed = outcome_.failed || hosts_.progress().failed();
        outcome_.hosts = hosts_.results();
        outcome_.control = sharing_.traffic();
        ended_(EndedRun{.results = outcome_,
                        .log = recorder_.path(),
                        .directory = sends_outputs_ ? options_.run_directory : ""});
    }

    // ---- small helpers

    const std::string& name(HostId host) const { return scenario_.topology.host(host).name; }

    bool ending() const { return stage_ == RunStage::ending || stage_ == RunStage::ended; }

    void wait_until(Instant at, std::function<void()> then) {
        wait_timer_.expires_at(steady(at));
        wait_timer_.async_wait(lifeline_.guard(std::move(then)));
    }

    RunOptions options_;
    Scenario scenario_;
    std::vector<HostId> local_hosts_;
    std::vector<ExperimentTime> epoch_starts_;
    std::vector<std::vector<std::string>> epoch_events_;
    std::string node_;  // our name
    std::vector<Peer> peers_;
    bool sends_outputs_;  // the controller can't read them
    Send send_;
    Ended ended_;

    AddressPlan addresses_;
    OwnMachine machine_;
    PathFolder folder_;
    EpochTables tables_;
    MissedMachines missed_;
    LogSoFar so_far_;  // of a run that was taken over
    RunRecorder recorder_;

    LeftHosts left_hosts_;  // that are taken over
    PlaneKind plane_kind_;
    std::unique_ptr<DataPlane> plane_;  // tables -> packets
    TableSchedule schedule_;            // when which table
    AnnouncedChanges changes_;          // by hand
    RunTunnel tunnel_;                  // to the planes of other nodes
    RunSharing sharing_;                // with the other nodes
    Sharer& sharer_;                    // its counters -> demands -> caps
    HostFleet fleet_;                   // applications
    HostCommands commands_;             // and others, on the same hosts
    StopScripts stop_scripts_;
    RunHosts hosts_;  // what becomes of them
    RunEvents events_;
    CounterRounds counters_;
    boost::asio::steady_timer wait_timer_;  // for T0, then for the end
    Lifeline lifeline_;

    RunStage stage_ = RunStage::preparing;
    bool is_taken_over_ = false;
    RunEnded outcome_;  // so far
};

NodeRun::NodeRun(boost::asio::io_context& loop, const NodeOptions& options, SharingSockets& sockets,
                 PrepareRun prepare, RunWays ways, Send send, Ended ended)
    : impl_{std::make_unique<Impl>(loop, options, sockets, std::move(prepare), std::move(ways),
                                   nullptr, std::move(send), std::move(ended))} {}

NodeRun::NodeRun(boost::asio::io_context& loop, const NodeOptions& options, SharingSockets& sockets,
                 JournaledRun left, RunWays ways, Send send, Ended ended)
    : impl_{std::make_unique<Impl>(loop, options, sockets, left.prepare, std::move(ways), &left,
                                   std::move(send), std::move(ended))} {}

NodeRun::~NodeRun() = default;

void NodeRun::add_epoch(PrepareEpoch epoch) {
    impl_->add_epoch(std::move(epoch));
}

void NodeRun::begin(Instant t0) {
    impl_->begin(t0);
}

void NodeRun::confirm(Instant t0) {
    impl_->confirm(t0);
}

HeldRun NodeRun::held() const {
    return impl_->held();
}

void NodeRun::end(const std::string& reason, bool interrupted) {
    impl_->end(reason, interrupted);
}

void NodeRun::change(AnnounceChange change) {
    impl_->change(std::move(change));
}

void NodeRun::execute(const std::string& host, std::vector<std::string> arguments, Executed done) {
    impl_->execute(host, std::move(arguments), std::move(done));
}

}  // namespace pleat
