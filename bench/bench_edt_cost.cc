// What the edt plane's second pass costs a packet: BPF_PROG_TEST_RUN of it and of an empty
// program in turn, in the same process; medians of the rounds.
//
//     bench_edt_cost [ROUNDS] [RUNS A ROUND]
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include "base/clock.hh"
#include "base/error.hh"
#include "node/dataplane/edt/edt_object.hh"

namespace {

using namespace pleat;

constexpr std::size_t kBytes = 1014;

std::vector<std::uint8_t> packet(bool v6) {
    std::vector<std::uint8_t> bytes(kBytes, 0);
    const std::size_t ip = 14;
    bytes[12] = v6 ? 0x86 : 0x08;
    bytes[13] = v6 ? 0xdd : 0x00;
    const std::size_t length = v6 ? kBytes - ip - 40 : kBytes - ip;
    const std::size_t length_at = v6 ? ip + 4 : ip + 2;
    bytes[length_at] = static_cast<std::uint8_t>(length >> 8U);
    bytes[length_at + 1] = static_cast<std::uint8_t>(length & 0xffU);
    if (v6) {
        bytes[ip] = 0x60;
        bytes[ip + 6] = 17;
        bytes[ip + 24] = 0xfd;
        bytes[ip + 39] = 2;
    } else {
        bytes[ip] = 0x45;
        bytes[ip + 9] = 17;
        bytes[ip + 16] = 10;
        bytes[ip + 19] = 2;
    }
    return bytes;
}

// ns a run.
double run(int program, std::span<const std::uint8_t> bytes, int repeat) {
    __sk_buff context{};
    context.cb[4] = EDT_CLASSID(0);
    bpf_test_run_opts options{};
    options.sz = sizeof options;
    options.data_in = bytes.data();
    options.data_size_in = static_cast<std::uint32_t>(bytes.size());
    options.ctx_in = &context;
    options.ctx_size_in = sizeof context;
    options.repeat = repeat;
    check("BPF_PROG_TEST_RUN", bpf_prog_test_run_opts(program, &options));
    return options.duration;
}

double median(std::vector<double> values) {
    const auto middle = values.begin() + static_cast<long>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

struct Case {
    const char* name;
    bool v6;
    edt_path path;
};

int measure(int rounds, int repeat) {
    constexpr std::uint64_t kFast = 8 << (EDT_TIME_PER_BYTE_SHIFT - 10);  // 1 Tbps
    edt_path plain{};
    plain.time_per_byte = kFast;
    plain.delay_ns = 10'000'000;
    plain.queue_bytes = 100'000'000;
    plain.uplink = 0;
    plain.overhead = 14;
    plain.flags = EDT_REACHABLE;
    edt_path unlimited = plain;
    unlimited.time_per_byte = 0;
    unlimited.uplink = EDT_NO_UPLINK;
    edt_path jitter = plain;
    jitter.jitter_ns = 1'000'000;
    edt_path all = jitter;
    // Rare, so that drawing is measured and not what follows.
    all.loss = all.duplicate = all.corrupt = all.reorder = 1;
    all.flags |= EDT_BURST_LOSS;
    all.burst_p = 1;
    all.burst_r = EDT_ALWAYS;
    all.burst_k = EDT_ALWAYS;
    edt_path lost = plain;
    lost.loss = EDT_ALWAYS;
    const std::array<Case, 6> cases{{{"delay only, IPv4", false, unlimited},
                                     {"rate, delay, queue, uplink, IPv4", false, plain},
                                     {"rate, delay, queue, uplink, IPv6", true, plain},
                                     {"the same and jitter, IPv4", false, jitter},
                                     {"all impairments on, IPv4", false, all},
                                     {"lost, IPv4", false, lost}}};

    const std::array<bpf_insn, 2> returns_zero{
        {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
         {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}}};
    const FileDescriptor empty{
        check("loading an empty program",
              bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, nullptr, "GPL", returns_zero.data(),
                            returns_zero.size(), nullptr))};
    EdtObject object = EdtObject::load(
        {.sources = 10, .destinations = 1000, .uplinks = 10, .seed = 1, .test_program = true});
    object.set_source(0, HostId{0});
    for (std::uint32_t host = 0; host < 1000; ++host) {
        object.add_address(0x0a000001U + host, HostId{host});
        std::array<std::uint8_t, 16> address{0xfd};
        address[14] = static_cast<std::uint8_t>((host + 1) >> 8U);
        address[15] = static_cast<std::uint8_t>((host + 1) & 0xffU);
        object.add_address(address, HostId{host});
    }
    object.uplinks(0)[0] = {.time_per_byte = kFast, .overhead = 14, .pad = {}};
    object.control().begins_at_ns[0] = 0;

    for (const Case& one : cases) {
        object.paths(0)[object.path(0, 1)] = one.path;
        const std::vector<std::uint8_t> bytes = packet(one.v6);
        std::vector<double> differences;
        std::vector<double> empties;
        for (int round = 0; round < rounds; ++round) {
            const double nothing = run(empty.value(), bytes, repeat);
            empties.push_back(nothing);
            differences.push_back(run(object.test_program(), bytes, repeat) - nothing);
        }
        std::printf("%-36s +%.0f ns (empty %.0f; least +%.0f, most +%.0f)\n", one.name,
                    median(differences), median(empties),
                    *std::min_element(differences.begin(), differences.end()),
                    *std::max_element(differences.begin(), differences.end()));
    }
    const edt_totals totals = object.totals();
    std::printf("packets %llu, queue drops %llu, lost %llu, malformed %llu, unknown %llu\n",
                totals.packets_in, totals.queue_drops, totals.loss_drops, totals.malformed_drops,
                totals.unknown_destination);
    return 0;
}

}  // namespace

int main(int count, char** arguments) {
    try {
        const int rounds = count > 1 ? std::atoi(arguments[1]) : 15;
        const int repeat = count > 2 ? std::atoi(arguments[2]) : 300'000;
        return measure(rounds, repeat);
    } catch (const std::exception& failure) {
        std::fprintf(stderr, "bench_edt_cost: %s\n", failure.what());
        return 1;
    }
}
