#include "tests/dataplane/two_machines.hh"

#include <algorithm>
#include <exception>
#include <thread>

#include <fcntl.h>
#include <sched.h>

#include "base/overload.hh"
#include "model/epochs.hh"
#include "node/dataplane/tun_plane.hh"
#include "tests/dataplane/traffic.hh"
#include "tests/model/build.hh"

namespace pleat::testing {

namespace {

FileDescriptor make_namespace() {
    FileDescriptor made;
    std::exception_ptr failed;
    std::thread{[&] {
        try {
            check("make a network namespace", ::unshare(CLONE_NEWNET));
            made = FileDescriptor{check("open the network namespace",
                                        ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC))};
        } catch (...) {
            failed = std::current_exception();
        }
    }}.join();
    if (failed) std::rethrow_exception(failed);
    return made;
}

}  // namespace

TwoMachines::TwoMachines(const std::vector<std::string>& lines,
                         const std::vector<std::string>& second, Options options)
    : topology_{topology(lines)}, folder_{topology_} {
    join(options);
    std::array<std::vector<HostId>, 2> hosts_of;
    for (std::uint32_t i = 0; i < topology_.hosts().size(); ++i) {
        const std::string& name = topology_.hosts()[i].name;
        hosts_of.at(std::ranges::count(second, name) > 0 ? 1 : 0).push_back(HostId{i});
    }
    std::array<FileDescriptor, 2> sockets;
    for (std::size_t m = 0; m < 2; ++m) {
        inside(m, [&] {
            sockets.at(m) =
                open_tunnel_socket({boost::asio::ip::make_address(underlay_address(m)), 0});
        });
        endpoints_.at(m) = tunnel_endpoint(sockets.at(m));
    }
    for (std::size_t m = 0; m < 2; ++m) {
        TunnelKey key{1, 2, 3};
        if (options.wrong_key && m == 1) key[31] = 1;
        const std::size_t other = 1 - m;
        TunnelSettings tunnel;
        tunnel.machine = static_cast<MachineNumber>(m + 1);
        tunnel.socket = std::move(sockets.at(m));
        tunnel.encrypt = options.encrypt;
        tunnel.peers.push_back({.machine = static_cast<MachineNumber>(other + 1),
                                .name = "m" + std::to_string(other),
                                .endpoint = endpoints_.at(other),
                                .key = key,
                                .hosts = hosts_of.at(other),
                                .underlay_latency = options.underlay_latency});
        planes_.at(m) = open_tun_plane(PlaneContext{
            .folder = folder_,
            .addresses = plan_,
            .seed = 1,
            .run = "test",
            .report =
                [this](const PlaneReport& report) {
                    std::visit(Overload{[this](const FlowStarted& one) { started_.push_back(one); },
                                        [this](const TableActivated&) { ++activated_; }},
                               report);
                },
            .loop = loop_,
            .tunnel = std::move(tunnel)});
        for (const HostId host : hosts_of.at(m)) {
            auto made = std::make_unique<TestHost>(plan_, host);
            planes_.at(m)->add_host(made->take_port());
            hosts_[topology_.host(host).name] = std::move(made);
        }
        planes_.at(m)->activate_at(
            std::make_shared<PathTable>(compute_epochs(scenario(topology(lines))).base),
            monotonic_now());
    }
    await([this] { return activated_ == 2; });
    if (options.wrong_key) return;
    settle();
}

// Until both know each other, how large datagrams may be, and what the way takes.
void TwoMachines::settle() {
    await([this] {
        return std::ranges::all_of(planes_, [](const auto& plane) {
            const TunnelPeerState state = plane->peers().at(0);
            return state.ready && state.datagram_bytes > 1232 && state.round_trip;
        });
    });
}

void TwoMachines::join(const Options& options) {
    for (FileDescriptor& one : namespaces_) one = make_namespace();
    const std::string other =
        "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(namespaces_[1].value());
    const std::string mtu = std::to_string(options.mtu);
    const std::string offloads = options.segment ? "true" : "ip link set under0 gso_max_segs 1";
    const auto up = [&](std::size_t m) {
        return "ip link set lo up && ip address add " + underlay_address(m) +
               "/24 dev under0 && ip link set under0 mtu " + mtu + " up && " + offloads;
    };
    std::string problems =
        start(0, {"sh", "-c",
                  "ip link add under0 type veth peer name under0 netns " + other + " && " + up(0)})
            .output();
    problems += start(1, {"sh", "-c", up(1)}).output();
    if (!problems.empty()) throw Failure{"cannot join two machines: " + problems};
}

std::string TwoMachines::underlay_address(std::size_t machine) {
    return "192.168.88." + std::to_string(machine + 1);
}

void TwoMachines::inside(std::size_t machine, const std::function<void()>& action) const {
    std::exception_ptr failed;
    std::thread{[&] {
        try {
            check("enter a machine's namespace",
                  ::setns(namespaces_.at(machine).value(), CLONE_NEWNET));
            action();
        } catch (...) {
            failed = std::current_exception();
        }
    }}.join();
    if (failed) std::rethrow_exception(failed);
}

Program TwoMachines::start(std::size_t machine, const std::vector<std::string>& arguments) const {
    return Program{namespaces_.at(machine).value(), arguments};
}

FlowKey TwoMachines::flow(const std::string& from, const std::string& to) const {
    return {*topology_.find_host(from), *topology_.find_host(to)};
}

std::shared_ptr<const FlowCounters> TwoMachines::counters(FlowKey flow) {
    loop_.restart();
    loop_.poll();
    for (const FlowStarted& one : started_) {
        if (one.flow == flow) return one.counters;
    }
    return nullptr;
}

void TwoMachines::await(const std::function<bool()>& done, Duration limit) {
    const Instant deadline = monotonic_now() + limit;
    while (!done()) {
        if (monotonic_now() > deadline) throw Failure{"two machines: nothing came in time"};
        pass(std::chrono::milliseconds{10});
    }
}

void TwoMachines::pass(Duration time) {
    loop_.restart();
    loop_.run_for(time);
}

std::vector<Duration> TwoMachines::ping(const std::string& from, const std::string& to, int count,
                                        Duration interval, bool v6) const {
    const TestHost& target = host(to);
    return testing::ping({.from = &host(from),
                          .address = v6 ? target.address6() : target.address(),
                          .count = count,
                          .interval = interval});
}

}  // namespace pleat::testing
