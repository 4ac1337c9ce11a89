#include "node/hosts/host_fleet.hh"

#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>
#include <map>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/files.hh"
#include "base/run_ledger.hh"
#include "node/hosts/descriptor_room.hh"
#include "node/hosts/host_files.hh"
#include "node/hosts/host_member.hh"
#include "node/hosts/outside.hh"
#include "node/hosts/takeover.hh"
#include "node/underlay/underlay.hh"

extern char** environ;  // NOLINT(readability-redundant-declaration): not in every libc's header

namespace pleat {

namespace fs = std::filesystem;

namespace {

constexpr Duration kStopGrace = std::chrono::seconds{2};
// Beyond the grace: for the kernel to end killed processes, and for keepers to say so.
constexpr Duration kEndPatience = std::chrono::seconds{5};
// A keeper's socket, its pidfd, and what its host is attached by: of a kernel plane two sockets and
// a map.
constexpr std::size_t kDescriptorsPerHost = 6;

std::string log_name(std::string host) {
    std::replace(host.begin(), host.end(), '/', '_');
    return host + ".log";
}

}  // namespace

class HostFleet::Impl {
  public:
    Impl(boost::asio::io_context& loop, FleetOptions options,
         std::function<void(const HostReport&)> report)
        : loop_{loop},
          options_{std::move(options)},
          report_{std::move(report)},
          ledger_{RunLedger::open(options_.runtime_directory, options_.run)},
          timer_{loop} {
        // Keepers inherit our working directory, but a path in a message says where it is.
        options_.run_directory = fs::absolute(options_.run_directory).string();
        options_.runtime_directory = fs::absolute(options_.runtime_directory).string();
    }

    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    ~Impl() { kill(members_); }

    std::vector<HostPort> create(const Scenario& scenario, const AddressPlan& addresses,
                                 const std::vector<HostId>& hosts) {
        const std::uint64_t open_files =
            make_descriptor_room(members_.size() + hosts.size(), kDescriptorsPerHost);
        prepare_files(scenario, addresses);
        Members fresh;
        try {
            if (wants_underlay() && !underlay_) make_underlay();
            for (const HostId host : hosts) {
                PLEAT_ASSERT(!members_.contains(host));
                fresh[host] = begin(scenario, addresses, host, open_files);
            }
            std::vector<HostPort> ports = await_setup(fresh);
            for (HostPort& port : ports) {
                port.ipv4 = addresses.ipv4(port.host);
                port.ipv6 = addresses.ipv6(port.host);
                port.outside = fresh[port.host]->application().outside;
                if (underlay_) underlay_->lead_to(interface_of(port));
                if (port.outside) connect_to_outside(*fresh[port.host], addresses);
            }
            for (auto& [id, member] : fresh) member->listen();
            members_.merge(fresh);
            if (underlay_) {
                for (const auto& [name, descriptor] : underlay_->leaves()) hold(name, descriptor);
            }
            return ports;
        } catch (const std::system_error& error) {
            kill(fresh);
            throw Failure{error.what()};
        } catch (...) {
            kill(fresh);
            throw;
        }
    }

    std::vector<HostPort> adopt(const Scenario& scenario, const AddressPlan& addresses,
                                const std::vector<HostId>& hosts, LeftHosts& left) {
        PLEAT_ASSERT(members_.empty());
        etc_ = options_.runtime_directory + "/etc";  // as the fleet before us has written it
        adopt_underlay(std::exchange(left.underlay, {}));
        std::vector<HostPort> ports;
        for (auto& [host, one] : left.hosts) {
            const Application& application = scenario.applications.at(host.value);
            HostPort port;
            port.host = host;
            port.attachment = attachment_of(std::move(one.port));
            port.ipv4 = addresses.ipv4(host);
            port.ipv6 = addresses.ipv6(host);
            port.outside = application.outside;
            if (underlay_ && !underlay_->goes_on()) underlay_->lead_to(interface_of(port));
            ports.push_back(std::move(port));
            auto member = std::make_unique<HostMember>(
                loop_, host, application, facts_of(scenario, addresses, host),
                std::make_unique<KeeperProcess>(one.pid, std::move(one.pidfd),
                                                std::move(one.channel)),
                events());
            member->resume(one.up, options_);
            member->listen();
            members_[host] = std::move(member);
        }
        left.hosts.clear();
        for (const HostId host : hosts) {
            if (!members_.contains(host)) report_lost(host);
        }
        return ports;
    }

    void reach_machines(VxlanSettings vxlan) { vxlan_ = std::move(vxlan); }

    void hold(const std::string& name, int descriptor) {
        for (auto& [id, member] : members_) member->send(keeper::Hold{name}, descriptor);
    }

    // The host's member, if it is there.
    HostMember* find(HostId host) const {
        const auto it = members_.find(host);
        return it == members_.end() || it->second->gone() ? nullptr : it->second.get();
    }

    const FleetOptions& options() const { return options_; }

    void end_applications(std::function<void()> done) {
        on_stopped_ = std::move(done);
        for (auto& [id, member] : members_) {
            if (!member->gone()) member->stop(kStopGrace);
        }
        arm(kStopGrace + kEndPatience, [this] { finish(on_stopped_); });
        check_stopped();
    }

    void dissolve(std::function<void()> done) {
        on_gone_ = std::move(done);
        for (auto& [id, member] : members_) {
            if (!member->gone()) member->end();
        }
        arm(kEndPatience, [this] {
            if (!on_gone_) return;
            kill(members_);
            arm(kEndPatience, [this] { finish(on_gone_); });
        });
        check_gone();
    }

  private:
    using Members = std::map<HostId, std::unique_ptr<HostMember>>;

    HostFacts facts_of(const Scenario& scenario, const AddressPlan& addresses, HostId host) const {
        const std::string& name = scenario.topology.host(host).name;
        return {options_.run, name, ipv4_text(addresses.ipv4(host)),
                ipv6_text(addresses.ipv6(host)),
                options_.run_directory + "/logs/" + log_name(name)};
    }

    bool is_machine() const { return !options_.machine_interface.empty(); }

    bool wants_underlay() const {
        return options_.attachment == AttachmentKind::kernel_interface && !is_machine();
    }

    void make_underlay() {
        underlay_.emplace();
        if (!vxlan_) return;
        // It is taken; a second underlay of this run has other ends, or none.
        underlay_->reach(*std::exchange(vxlan_, std::nullopt));
    }

    void adopt_underlay(std::map<std::string, FileDescriptor> left) {
        if (auto underlay = left.extract(keeper::kUnderlay)) {
            underlay_.emplace(std::move(underlay.mapped()), std::move(left));
        }
        const bool in_kernel = options_.attachment == AttachmentKind::kernel_interface;
        if (in_kernel != underlay_.has_value()) {
            throw Failure{"the hosts of run " + options_.run +
                          " are attached as another data plane wants it"};
        }
    }

    void report_lost(HostId host) {
        boost::asio::post(loop_, [this, alive = std::weak_ptr<int>{alive_}, host] {
            if (!alive.expired()) report_(HostLost{host, "its keeper is not there any more"});
        });
    }

    void prepare_files(const Scenario& scenario, const AddressPlan& addresses) {
        if (!etc_.empty()) return;
        const auto& applications = scenario.applications;
        has_outside_ = std::any_of(applications.begin(), applications.end(),
                                   [](const Application& a) { return a.outside; });
        fs::create_directories(options_.run_directory + "/logs");
        fs::create_directories(options_.runtime_directory + "/hosts");
        const std::string etc = options_.runtime_directory + "/etc";
        fs::create_directories(etc);
        write_new_file(etc + "/hosts", hosts_file(scenario.topology, addresses));
        std::optional<std::string> name_server;
        if (has_outside_) name_server = outside_network(addresses).name_server;
        write_new_file(etc + "/resolv.conf", resolver_file(name_server));
        write_new_file(etc + "/gai.conf", address_preference_file());
        etc_ = etc;
    }

    // Starts the host's keeper and tells it what to make.
    std::unique_ptr<HostMember> begin(const Scenario& scenario, const AddressPlan& addresses,
                                      HostId host, std::uint64_t open_files) {
        const Host& named = scenario.topology.host(host);
        const Application& application = scenario.applications.at(host.value);
        keeper::Setup setup;
        setup.number = host.value;
        setup.behind = is_machine() ? keeper::Behind::machine
                       : underlay_  ? keeper::Behind::underlay
                                    : keeper::Behind::tun;
        setup.host = named.name;
        setup.hostname = host_name_of(named);
        setup.ipv4 = addresses.ipv4(host);
        setup.ipv4_prefix = static_cast<std::uint8_t>(addresses.prefix_length);
        setup.ipv6 = addresses.ipv6(host);
        setup.etc = etc_;
        setup.socket = keeper_socket(options_.runtime_directory, host);
        setup.runtime_directory = options_.runtime_directory;
        setup.sysctls.assign(application.sysctls.begin(), application.sysctls.end());
        setup.default_route = has_outside_ && !application.outside;
        setup.outside = application.outside;
        setup.grace_ns = options_.keeper_grace.count();
        setup.open_files = open_files;
        HostFacts facts = facts_of(scenario, addresses, host);
        // Said now rather than when the host starts, an hour into the run.
        if (const auto program = host_program(application, facts, application.arguments);
            !program) {
            throw Failure{"host " + named.name + ": " + program.error().message};
        }
        if (!keeper::encode(setup)) throw Failure{"host " + named.name + ": too many sysctls"};

        std::unique_ptr<KeeperProcess> process;
        try {
            std::vector<std::string> arguments{"pleat-keeper", named.name, options_.run};
            if (is_machine()) arguments.insert(arguments.begin() + 1, keeper::kOnMachine);
            process = std::make_unique<KeeperProcess>(options_.keeper_program, std::move(arguments),
                                                      keeper_environment(), is_machine());
            ledger_.record_process("keeper " + named.name, process->pid());
        } catch (const std::system_error& error) {
            throw Failure{"host " + named.name + ": " + error.what()};
        }
        auto member = std::make_unique<HostMember>(loop_, host, application, std::move(facts),
                                                   std::move(process), events());
        member->send(setup, underlay_ ? underlay_->network_namespace() : -1);
        return member;
    }

    // Ours, which is that of `pleat run`, with the mark by which `clean` finds keepers.
    std::vector<std::string> keeper_environment() const {
        std::vector<std::string> result;
        for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
            if (!std::string_view{*entry}.starts_with("PLEAT_MARK=")) result.emplace_back(*entry);
        }
        result.push_back(ledger_.environment_mark());
        return result;
    }

    MemberEvents events() {
        return {[this](const HostReport& report) { report_(report); }, [this] { check_stopped(); },
                [this] {
                    check_stopped();
                    check_gone();
                }};
    }

    // All keepers work at the same time; we hear them as they answer.
    std::vector<HostPort> await_setup(Members& fresh) const {
        const Instant deadline = monotonic_now() + options_.keeper_deadline;
        std::vector<HostPort> ports;
        std::vector<HostMember*> waiting;
        for (auto& [id, member] : fresh) waiting.push_back(member.get());
        while (!waiting.empty()) {
            std::vector<pollfd> waits;
            waits.reserve(waiting.size());
            for (const HostMember* member : waiting) {
                waits.push_back({member->keeper().channel(), POLLIN, 0});
            }
            const Duration left = std::max(deadline - monotonic_now(), Duration{0});
            const auto left_ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
            const int n = ::poll(waits.data(), waits.size(), static_cast<int>(left_ms));
            if (n < 0 && errno == EINTR) continue;
            if (n <= 0) {
                throw Failure{"host " + waiting.front()->name() +
                              ": its keeper did not make the host within " +
                              seconds_text(options_.keeper_deadline)};
            }
            std::vector<HostMember*> still;
            for (std::size_t i = 0; i < waiting.size(); ++i) {
                std::optional<FileDescriptor> descriptor;
                if (waits[i].revents != 0) descriptor = waiting[i]->answer_to_setup();
                if (!descriptor) {
                    still.push_back(waiting[i]);
                    continue;
                }
                HostPort port;
                port.host = waiting[i]->id();
                port.attachment = attachment_of(std::move(*descriptor));
                ports.push_back(std::move(port));
            }
            waiting = std::move(still);
        }
        std::sort(ports.begin(), ports.end(),
                  [](const HostPort& a, const HostPort& b) { return a.host < b.host; });
        return ports;
    }

    Attachment attachment_of(FileDescriptor descriptor) const {
        if (is_machine()) {
            return KernelInterface{std::move(descriptor), options_.machine_interface,
                                   options_.takeover};
        }
        if (!underlay_) return TunDevice{std::move(descriptor)};
        return KernelInterface{std::move(descriptor), keeper::kInterface};
    }

    static keeper::Interface interface_of(const HostPort& port) {
        return {
            .host = port.host.value, .ipv4 = port.ipv4, .ipv6 = port.ipv6, .outside = port.outside};
    }

    void connect_to_outside(HostMember& member, const AddressPlan& addresses) {
        std::array<int, 2> ends{};
        check("cannot make a pipe", ::pipe2(ends.data(), O_CLOEXEC));
        const FileDescriptor reading{ends[0]};
        const FileDescriptor writing{ends[1]};
        // The keeper holds the writing end: slirp4netns lives as long as the host.
        member.send(keeper::Hold{}, writing.value());
        outside_.push_back(connect_outside(
            member.keeper().pid(), outside_network(addresses), reading.value(),
            options_.run_directory + "/logs/" + log_name(member.name() + ".slirp4netns"),
            options_.keeper_deadline));
        ledger_.record_process("slirp4netns of " + member.name(), outside_.back().pid());
    }

    void check_stopped() {
        const bool waiting = std::any_of(members_.begin(), members_.end(), [](const auto& entry) {
            return entry.second->stopping();
        });
        if (on_stopped_ && !waiting) finish(on_stopped_);
    }

    void check_gone() {
        const bool waiting = std::any_of(members_.begin(), members_.end(),
                                         [](const auto& entry) { return !entry.second->gone(); });
        if (on_gone_ && !waiting) {
            outside_.clear();
            underlay_.reset();
            finish(on_gone_);
        }
    }

    // Calls it from the loop, once, with nothing of ours on the stack.
    void finish(std::function<void()>& callback) {
        if (!callback) return;
        timer_.cancel();
        boost::asio::post(loop_, std::exchange(callback, nullptr));
    }

    void arm(Duration patience, std::function<void()> expired) {
        timer_.expires_after(patience);
        timer_.async_wait([alive = std::weak_ptr<int>{alive_},
                           action = std::move(expired)](const boost::system::error_code& error) {
            if (!error && !alive.expired()) action();
        });
    }

    // All at once; then each destructor waits for its own.
    static void kill(const Members& members) {
        for (const auto& [id, member] : members) member->keeper().kill();
    }

    boost::asio::io_context& loop_;
    FleetOptions options_;
    std::function<void(const HostReport&)> report_;
    RunLedger ledger_;
    std::string etc_;
    bool has_outside_ = false;
    std::optional<VxlanSettings> vxlan_;  // of an underlay that is to be made
    std::optional<Underlay> underlay_;
    Members members_;
    std::vector<Child> outside_;
    boost::asio::steady_timer timer_;
    std::function<void()> on_stopped_;
    std::function<void()> on_gone_;
    std::shared_ptr<int> alive_ = std::make_shared<int>();
};

HostFleet::HostFleet(boost::asio::io_context& loop, FleetOptions options,
                     std::function<void(const HostReport&)> report)
    : impl_{std::make_unique<Impl>(loop, std::move(options), std::move(report))} {}

HostFleet::~HostFleet() = default;

std::vector<HostPort> HostFleet::create(const Scenario& scenario, const AddressPlan& addresses,
                                        const std::vector<HostId>& hosts) {
    return impl_->create(scenario, addresses, hosts);
}

std::vector<HostPort> HostFleet::adopt(const Scenario& scenario, const AddressPlan& addresses,
                                       const std::vector<HostId>& hosts, LeftHosts& left) {
    return impl_->adopt(scenario, addresses, hosts, left);
}

void HostFleet::reach_machines(VxlanSettings vxlan) {
    impl_->reach_machines(std::move(vxlan));
}

void HostFleet::hold(const std::string& name, int descriptor) {
    impl_->hold(name, descriptor);
}

void HostFleet::start(HostId host) {
    if (HostMember* const member = impl_->find(host)) member->start(impl_->options());
}

void HostFleet::stop(HostId host) {
    if (HostMember* const member = impl_->find(host)) member->stop(kStopGrace);
}

void HostFleet::crash(HostId host) {
    if (HostMember* const member = impl_->find(host)) member->signal(SIGKILL);
}

void HostFleet::pause(HostId host) {
    if (HostMember* const member = impl_->find(host)) member->signal(SIGSTOP);
}

void HostFleet::resume(HostId host) {
    if (HostMember* const member = impl_->find(host)) member->signal(SIGCONT);
}

void HostFleet::execute(HostId host, std::uint32_t token,
                        const std::vector<std::string>& arguments) {
    if (HostMember* const member = impl_->find(host)) member->execute(token, arguments);
}

bool HostFleet::running(HostId host) const {
    const HostMember* const member = impl_->find(host);
    return member != nullptr && member->running();
}

void HostFleet::end_applications(std::function<void()> done) {
    impl_->end_applications(std::move(done));
}

void HostFleet::dissolve(std::function<void()> done) {
    impl_->dissolve(std::move(done));
}

}  // namespace pleat
