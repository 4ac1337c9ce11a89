#include "tests/bpf/edt_world.hh"

#include <cmath>
#include <cstring>

#include <bpf/bpf.h>
#include <catch2/catch.hpp>
#include <linux/bpf.h>
#include <sched.h>

#include "base/error.hh"
#include "node/dataplane/checksum.hh"
#include "tests/dataplane/tally.hh"

namespace pleat::testing {

namespace {

constexpr std::uint16_t kIpv4 = 0x0800;
constexpr std::uint16_t kIpv6 = 0x86dd;
constexpr std::size_t kEthernet = 14;

void append16(Bytes& to, std::uint16_t value) {
    to.push_back(static_cast<std::uint8_t>(value >> 8U));
    to.push_back(static_cast<std::uint8_t>(value & 0xffU));
}

std::uint16_t folded(std::uint32_t sum) {
    while (sum >> 16U) sum = (sum & 0xffffU) + (sum >> 16U);
    return static_cast<std::uint16_t>(~sum);
}

std::uint32_t sum16(std::span<const std::uint8_t> bytes) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        sum += i % 2 == 0 ? std::uint32_t{bytes[i]} << 8U : bytes[i];
    }
    return sum;
}

void put16(Bytes& bytes, std::size_t at, std::uint16_t value) {
    bytes[at] = static_cast<std::uint8_t>(value >> 8U);
    bytes[at + 1] = static_cast<std::uint8_t>(value & 0xffU);
}

Duration since_start(std::uint64_t nanoseconds) {
    return Duration{static_cast<std::int64_t>(nanoseconds)} - EdtWorld::kStart;
}

Tally& tally() {
    static Tally all{"edt_program"};
    return all;
}

}  // namespace

bool bpf_case_begins() {
    static const std::string missing = []() -> std::string {
        try {
            (void)EdtObject::load({.test_program = true, .fake_clock = true});
            // A namespace of our own: its loopback, where duplicates go, is down.
            check("making a network namespace", ::unshare(CLONE_NEWNET));
            return "";
        } catch (const std::exception& failure) {
            return failure.what();
        }
    }();
    return tally().begin(missing);
}

void skip_bpf_case(const std::string& missing) {
    tally().skip(missing);
}

std::uint32_t address4(std::uint32_t host) {
    return 0x0a000001U + host;
}

std::array<std::uint8_t, 16> address6(std::uint32_t host) {
    std::array<std::uint8_t, 16> address{0xfd};
    for (unsigned i = 0; i < 4; ++i) {
        address[15 - i] = static_cast<std::uint8_t>(((host + 1) >> (8 * i)) & 0xffU);
    }
    return address;
}

Bytes bytes_of(const Frame& frame) {
    Bytes bytes(12, 0x02);
    for (const std::uint16_t tag : frame.tags) {
        append16(bytes, tag);
        append16(bytes, 7);
    }
    append16(bytes, frame.v6 ? kIpv6 : kIpv4);
    const std::size_t begin = bytes.size();
    const std::size_t header = frame.v6 ? 40 : 20 + frame.options;
    const std::size_t ip_bytes = frame.bytes - kEthernet;
    bytes.resize(begin + header, 0);
    if (frame.v6) {
        bytes[begin] = 0x60;
        put16(bytes, begin + 4, static_cast<std::uint16_t>(ip_bytes - header));
        bytes[begin + 6] = frame.protocol;
        const auto from = address6(frame.source);
        const auto to = address6(frame.destination);
        std::copy(from.begin(), from.end(), bytes.begin() + static_cast<long>(begin) + 8);
        std::copy(to.begin(), to.end(), bytes.begin() + static_cast<long>(begin) + 24);
    } else {
        bytes[begin] = static_cast<std::uint8_t>(0x40U | (header / 4));
        put16(bytes, begin + 2, static_cast<std::uint16_t>(ip_bytes));
        bytes[begin + 8] = 64;
        bytes[begin + 9] = frame.protocol;
        put16(bytes, begin + 12, static_cast<std::uint16_t>(address4(frame.source) >> 16U));
        put16(bytes, begin + 14, static_cast<std::uint16_t>(address4(frame.source) & 0xffffU));
        put16(bytes, begin + 16, static_cast<std::uint16_t>(address4(frame.destination) >> 16U));
        put16(bytes, begin + 18, static_cast<std::uint16_t>(address4(frame.destination) & 0xffffU));
        for (std::size_t i = 20; i < header; ++i) bytes[begin + i] = 1;  // no operation
        put16(bytes, begin + 10, folded(sum16(std::span{bytes}.subspan(begin, header))));
    }
    for (std::size_t i = 0; begin + header + i < begin + ip_bytes; ++i) {
        bytes.push_back(static_cast<std::uint8_t>(i * 7 + 3));
    }
    if (frame.protocol == 6 && ip_bytes >= header + 20) bytes[begin + header + 12] = 0x50;
    return bytes;
}

edt_path row(Duration delay) {
    edt_path path{};
    path.delay_ns = static_cast<std::uint64_t>(delay.count());
    path.queue_bytes = 0xffffffff;
    path.uplink = EDT_NO_UPLINK;
    path.overhead = kEthernet;
    path.flags = EDT_REACHABLE;
    return path;
}

std::uint64_t time_per_byte(Bandwidth rate) {
    if (rate.is_unlimited()) return 0;
    const Int128 at_one_bps = static_cast<Int128>(8'000'000'000) << EDT_TIME_PER_BYTE_SHIFT;
    const Int128 bps = rate.bits_per_second();
    return static_cast<std::uint64_t>((at_one_bps + bps - 1) / bps);
}

std::uint32_t chance(double probability) {
    if (probability >= 1.0) return EDT_ALWAYS;
    return static_cast<std::uint32_t>(probability * 0x1.0p32);
}

edt_path row_of(const PathShape& shape) {
    edt_path path = row(shape.latency);
    path.time_per_byte = time_per_byte(shape.bandwidth);
    path.queue_bytes =
        static_cast<std::uint32_t>(std::min<std::int64_t>(shape.queue.bytes(), 0xffffffff));
    path.overhead = static_cast<std::uint16_t>(shape.overhead.bytes_per_packet);
    path.jitter_ns = static_cast<std::uint32_t>(shape.jitter.count());
    path.distribution = static_cast<std::uint8_t>(shape.distribution);
    path.loss = chance(shape.loss.value());
    path.duplicate = chance(shape.duplicate.value());
    path.corrupt = chance(shape.corrupt.value());
    path.reorder = chance(shape.reorder.value());
    if (shape.burst_loss) {
        path.flags |= EDT_BURST_LOSS;
        path.burst_p = chance(shape.burst_loss->p.value());
        path.burst_r = chance(shape.burst_loss->r.value());
        path.burst_h = chance(shape.burst_loss->h.value());
        path.burst_k = chance(shape.burst_loss->k.value());
    }
    return path;
}

namespace {

EdtSetup with_fake_clock(EdtSetup setup) {
    setup.test_program = true;
    setup.fake_clock = true;
    return setup;
}

}  // namespace

// Source 0 is host 0, source 1 is host 1, …
EdtWorld::EdtWorld(const EdtSetup& setup) : object_{EdtObject::load(with_fake_clock(setup))} {
    for (std::uint32_t place = 0; place < setup.sources; ++place) {
        object_.set_source(place, HostId{place});
    }
    for (std::uint32_t host = 0; host < setup.destinations; ++host) {
        object_.add_address(address4(host), HostId{host});
        object_.add_address(address6(host), HostId{host});
    }
    object_.control().begins_at_ns[0] = static_cast<std::uint64_t>(kStart.count());
}

EdtWorld::Sent EdtWorld::send(const Frame& frame, const Bytes& bytes, Duration when) {
    object_.control().fake_now_ns = static_cast<std::uint64_t>((kStart + when).count());
    const edt_totals before = object_.totals();
    __sk_buff context{};
    context.cb[4] = EDT_CLASSID(frame.source);
    context.priority = frame.priority;
    context.mark = frame.mark;
    context.gso_segs = frame.gso_segments;
    context.gso_size = frame.gso_size;
    context.wire_len = frame.wire_bytes;
    __sk_buff after{};
    Sent sent;
    sent.bytes.resize(bytes.size() + 256);
    bpf_test_run_opts options{};
    options.sz = sizeof options;
    options.data_in = bytes.data();
    options.data_out = sent.bytes.data();
    options.data_size_in = static_cast<std::uint32_t>(bytes.size());
    options.data_size_out = static_cast<std::uint32_t>(sent.bytes.size());
    options.ctx_in = &context;
    options.ctx_out = &after;
    options.ctx_size_in = sizeof context;
    options.ctx_size_out = sizeof after;
    options.repeat = 1;
    const int status = bpf_prog_test_run_opts(object_.test_program(), &options);
    INFO("BPF_PROG_TEST_RUN: " << std::strerror(-status));
    REQUIRE(status == 0);
    sent.verdict = static_cast<int>(options.retval);
    sent.bytes.resize(options.data_size_out);
    sent.delivery = since_start(after.tstamp);
    sent.flow = after.cb[3];
    sent.priority = after.priority;
    sent.mark = after.mark;
    // Our loopback, where test runs send, is down: a duplicate goes nowhere.
    const edt_totals now = object_.totals();
    const std::uint64_t made =
        now.packets_out + now.clone_failures - before.packets_out - before.clone_failures;
    sent.duplicate = made > std::max<std::uint16_t>(frame.gso_segments, 1);
    return sent;
}

std::vector<edt_event> EdtWorld::events() {
    std::vector<edt_event> all;
    object_.events().take<edt_event>([&all](const edt_event& event) { all.push_back(event); });
    return all;
}

}  // namespace pleat::testing
