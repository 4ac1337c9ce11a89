// What the tunnel between two machines costs: two planes in two namespaces that a veth pair joins,
// hosts on both, iperf3 and ping:
//
//     bench_tunnel [ROUNDS [throughput|encrypted|segmented|rtt]...]
//
// Needs root or user namespaces. Throughput alternates with TCP over the veth pair itself,
// so that what else the machine does meets both. Medians.
#include <algorithm>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "tests/dataplane/two_machines.hh"

using namespace pleat;
using namespace pleat::testing;
using namespace std::chrono_literals;

namespace {

double median(std::vector<double> all) {
    std::ranges::sort(all);
    return all.at(all.size() / 2);
}

nlohmann::json iperf(Program listening, Program client) {
    static_cast<void>(listening);
    auto result = nlohmann::json::parse(client.output());
    if (result.contains("error")) throw Failure{result["error"].get<std::string>()};
    return result;
}

double gigabits(const nlohmann::json& result) {
    return result["end"]["sum_received"]["bits_per_second"].get<double>() / 1e9;
}

std::vector<std::string> server_arguments() {
    return {"iperf3", "-s", "--forceflush", "-1"};
}

std::vector<std::string> client_arguments(const std::string& address) {
    return {"iperf3", "-J", "-C", "cubic", "-O", "1", "-c", address, "-t", "4"};
}

void throughput(int rounds, const char* name, const TwoMachines::Options& options) {
    TwoMachines world{{"a -- s1: 0ms", "s1 -- x: 0ms"}, {"x"}, options};
    std::vector<double> plain;
    std::vector<double> tunnelled;
    std::vector<double> ratios;
    for (int round = 0; round < rounds; ++round) {
        {
            Program server = world.start(1, server_arguments());
            server.await("Server listening");
            plain.push_back(gigabits(
                iperf(std::move(server),
                      world.start(0, client_arguments(TwoMachines::underlay_address(1))))));
        }
        Program server = world.host("x").start(server_arguments());
        server.await("Server listening");
        const auto result = iperf(
            std::move(server), world.host("a").start(client_arguments(world.host("x").address())));
        tunnelled.push_back(gigabits(result));
        ratios.push_back(tunnelled.back() / plain.back());
        std::printf("  veth %6.2f Gbps   two machines %6.2f Gbps   ratio %.3f   retransmits %d\n",
                    plain.back(), tunnelled.back(), ratios.back(),
                    result["end"]["sum_sent"]["retransmits"].get<int>());
    }
    const TunnelTotals totals = world.plane(1).totals().tunnel;
    std::printf(
        "%s, medians: veth %.2f Gbps, two machines %.2f Gbps, ratio %.3f; incomplete %llu, "
        "overflows %llu, refused %llu\n",
        name, median(plain), median(tunnelled), median(ratios),
        static_cast<unsigned long long>(totals.incomplete_drops),
        static_cast<unsigned long long>(totals.overflow_drops),
        static_cast<unsigned long long>(world.plane(0).totals().tunnel.send_drops));
}

void rtt(int rounds) {
    for (const int milliseconds : {0, 1, 10, 50}) {
        std::vector<double> medians;
        std::vector<double> tails;
        for (int round = 0; round < rounds; ++round) {
            TwoMachines world{{"a -- s1: " + std::to_string(milliseconds) + "ms", "s1 -- x: 0ms"},
                              {"x"}};
            const auto times = world.ping("a", "x", 200, 10ms);
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

}  // namespace

int main(int argc, char** argv) {
    const std::string missing = missing_for_hosts(AttachmentKind::tun_device);
    if (!missing.empty()) {
        std::fprintf(stderr, "no hosts here: %s\n", missing.c_str());
        return 1;
    }
    const int rounds = argc > 1 ? std::stoi(argv[1]) : 5;
    std::vector<std::string> parts{argv + std::min(argc, 2), argv + argc};
    if (parts.empty()) parts = {"throughput", "encrypted", "segmented", "rtt"};
    for (const std::string& part : parts) {
        TwoMachines::Options options;
        options.encrypt = part == "encrypted";
        options.segment = part != "segmented";
        if (part == "rtt") {
            rtt(rounds);
        } else {
            throughput(rounds, part.c_str(), options);
        }
        std::fflush(stdout);
    }
    return 0;
}
