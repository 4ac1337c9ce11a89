// What the tun plane costs and how exact it is, with real hosts, iperf3 and ping:
//
//     bench_tun_plane [ROUNDS [throughput|rtt|rate|switch|idle|packets]...]
//
// TCP is cubic, or what PLEAT_CC names; `default`: the machine's own.
// Needs root or user namespaces. Throughput alternates with a plain veth pair between the
// same kind of namespaces, so that what else the machine does meets both. Medians.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <thread>

#include <arpa/inet.h>
#include <boost/asio/io_context.hpp>
#include <netinet/in.h>
#include <nlohmann/json.hpp>
#include <sys/socket.h>

#include "node/dataplane/tun_plane.hh"
#include "tests/dataplane/plane_world.hh"

using namespace pleat;
using namespace pleat::testing;
using namespace std::chrono_literals;

namespace {

double median(std::vector<double> all) {
    std::ranges::sort(all);
    return all.at(all.size() / 2);
}

double goodput(const TestHost& client, const TestHost& server, const std::string& address,
               const std::string& seconds) {
    Program listening = server.start({"iperf3", "-s", "--forceflush", "-1"});
    listening.await("Server listening");
    std::vector<std::string> command{"iperf3", "-J", "-O", "1", "-c", address, "-t", seconds};
    const char* const asked = std::getenv("PLEAT_CC");
    const std::string control = asked == nullptr ? "cubic" : asked;
    if (control != "default") command.insert(command.end(), {"-C", control});
    const auto result = nlohmann::json::parse(client.run(command));
    if (result.contains("error")) throw Failure{result["error"].get<std::string>()};
    return result["end"]["sum_received"]["bits_per_second"].get<double>() / 1e9;
}

void throughput(int rounds) {
    PlaneWorld world{open_tun_plane, {"a -- s1: 0ms", "s1 -- b: 0ms"}};
    const TestHost& a = world.host("a");
    const TestHost& b = world.host("b");
    const std::string other =
        "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(b.network_namespace());
    std::string made =
        a.run({"sh", "-c",
               "ip link add v0 type veth peer name v1 netns " + other +
                   " && ip address add 192.168.77.1/24 dev v0 && ip link set v0 up"});
    made += b.run({"sh", "-c", "ip address add 192.168.77.2/24 dev v1 && ip link set v1 up"});
    if (!made.empty()) throw Failure{"cannot make the veth pair: " + made};
    a.run({"ping", "-c", "5", "-i", "0.5", "192.168.77.2"});  // until the kernel has it up
    std::vector<double> plain;
    std::vector<double> emulated;
    std::vector<double> ratios;
    for (int round = 0; round < rounds; ++round) {
        plain.push_back(goodput(a, b, "192.168.77.2", "4"));
        emulated.push_back(goodput(a, b, b.address(), "4"));
        ratios.push_back(emulated.back() / plain.back());
        std::printf("  veth %6.2f Gbps   tun %6.2f Gbps   ratio %.3f\n", plain.back(),
                    emulated.back(), ratios.back());
    }
    std::printf(
        "throughput, medians: veth %.2f Gbps, tun %.2f Gbps, ratio %.3f; write drops %llu\n",
        median(plain), median(emulated), median(ratios),
        static_cast<unsigned long long>(world.plane().totals().write_drops));
}

void rtt(int rounds) {
    for (const int milliseconds : {0, 1, 5, 10, 50, 100}) {
        std::vector<double> medians;
        std::vector<double> tails;
        for (int round = 0; round < rounds; ++round) {
            PlaneWorld world{open_tun_plane,
                             {"a -- s1: " + std::to_string(milliseconds) + "ms", "s1 -- b: 0ms"}};
            const auto times = world.ping("a", "b", 200, 10ms);
            const auto error = [&](double quantile) {
                const auto place =
                    static_cast<std::size_t>(static_cast<double>(times.size()) * quantile);
                return std::chrono::duration<double, std::micro>{times.at(place) -
                                                                 2 * milliseconds * 1ms}
                    .count();
            };
            medians.push_back(error(0.5));
            tails.push_back(error(0.95));
        }
        std::printf("rtt, delay %3d ms: error p50 %.0f us, p95 %.0f us\n", milliseconds,
                    median(medians), median(tails));
    }
}

void rate(int rounds) {
    for (const std::string bandwidth :
         {"1Mbps", "10Mbps", "128Mbps", "512Mbps", "1Gbps", "2Gbps", "4Gbps"}) {
        std::vector<double> errors;
        for (int round = 0; round < rounds; ++round) {
            PlaneWorld world{open_tun_plane,
                             {"a -- s1: 5ms " + bandwidth, "s1 -- b: 5ms " + bandwidth}};
            const FlowKey flow = world.flow("a", "b");
            Program server = world.host("b").start({"iperf3", "-s", "--forceflush"});
            server.await("Server listening");
            Program client = world.host("a").start(
                {"iperf3", "-C", "cubic", "-c", world.host("b").address(), "-t", "8"});
            world.await([&] { return world.counters(flow) != nullptr; });
            const auto counters = world.counters(flow);
            world.pass(3s);
            const std::uint64_t before = counters->bytes;
            const Instant from = monotonic_now();
            world.pass(4s);
            const auto bits = 8.0 * static_cast<double>(counters->bytes - before);
            const double measured =
                bits / std::chrono::duration<double>{monotonic_now() - from}.count();
            const double nominal =
                std::stod(bandwidth) * (bandwidth.find('G') != std::string::npos ? 1e9 : 1e6);
            errors.push_back(100.0 * (measured / nominal - 1.0));
        }
        std::printf("rate %8s: layer-2 error, mid-run %+.2f %%\n", bandwidth.c_str(),
                    median(errors));
    }
}

void switches(int rounds) {
    std::vector<double> medians;
    std::vector<double> tails;
    for (int round = 0; round < rounds; ++round) {
        PlaneWorld world{open_tun_plane, {"a -- s1: 1ms", "s1 -- b: 0ms"}};
        const Instant start = monotonic_now() + 20ms;
        for (std::uint32_t i = 0; i < 200; ++i) {
            world.plane().activate_at(world.table({"a -- s1: 2ms", "s1 -- b: 0ms"}, i + 2),
                                      start + i * 10ms);
        }
        world.await([&] { return world.activated().size() == 201; });
        std::vector<double> late;
        for (std::size_t i = 1; i <= 200; ++i) {
            late.push_back(std::chrono::duration<double, std::micro>{world.activated()[i].actual -
                                                                     world.activated()[i].planned}
                               .count());
        }
        std::ranges::sort(late);
        medians.push_back(late[100]);
        tails.push_back(late[198]);
    }
    std::printf("switch of tables: lateness p50 %.1f us, p99 %.1f us\n", median(medians),
                median(tails));
}

double cpu_seconds() {
    timespec used{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
}

void idle() {
    std::vector<std::string> lines;
    for (int i = 0; i < 100; ++i) lines.push_back("h" + std::to_string(i) + " -- s1: 1ms 100Mbps");
    PlaneWorld world{open_tun_plane, lines};
    std::this_thread::sleep_for(3s);
    const double before = cpu_seconds();
    std::this_thread::sleep_for(10s);
    std::printf("idle, 100 silent hosts: %.4f %% of a core\n",
                (cpu_seconds() - before) / 10.0 * 100.0);
}

// Small datagrams as fast as one thread can send them.
void packets(int rounds) {
    std::vector<double> rates;
    for (int round = 0; round < rounds; ++round) {
        PlaneWorld world{open_tun_plane, {"a -- s1: 0ms", "s1 -- b: 0ms"}};
        const std::string address = world.host("b").address();
        world.host("a").inside([&address] {
            const FileDescriptor socket{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
            sockaddr_in to{};
            to.sin_family = AF_INET;
            to.sin_port = htons(9);
            ::inet_pton(AF_INET, address.c_str(), &to.sin_addr);
            const char payload[36] = {};
            const Instant end = monotonic_now() + 3s;
            while (monotonic_now() < end) {
                ::sendto(socket.value(), payload, sizeof payload, 0,
                         reinterpret_cast<const sockaddr*>(&to), sizeof to);
            }
        });
        rates.push_back(static_cast<double>(world.plane().totals().packets_out) / 3.0 / 1000.0);
    }
    std::printf("packets of 64 bytes: %.0f thousand a second\n", median(rates));
}

}  // namespace

int main(int argc, char** argv) {
    const std::string missing = missing_for_hosts(AttachmentKind::tun_device);
    if (!missing.empty()) {
        std::fprintf(stderr, "no hosts here: %s\n", missing.c_str());
        return 1;
    }
    const int rounds = argc > 1 ? std::stoi(argv[1]) : 5;
    std::vector<std::string> parts{argv + std::min(argc, 2), argv + argc};
    if (parts.empty()) parts = {"throughput", "packets", "rtt", "rate", "switch", "idle"};
    for (const std::string& part : parts) {
        if (part == "throughput") throughput(rounds);
        if (part == "packets") packets(rounds);
        if (part == "rtt") rtt(rounds);
        if (part == "rate") rate(rounds);
        if (part == "switch") switches(rounds);
        if (part == "idle") idle();
        std::fflush(stdout);
    }
    return 0;
}
