// Chances in the kernel, against the path element that the tun plane is made of.
#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <random>

#include <catch2/catch.hpp>

#include "tests/bpf/edt_world.hh"
#include "tests/dataplane/engine_world.hh"

using namespace pleat;
using namespace pleat::literals;
using namespace pleat::testing;

namespace {

constexpr std::size_t kIp = 14;

struct Seen {
    int arrivals = 0;
    bool corrupt = false;
    Duration when{};
};

PathShape troubled() {
    PathShape shape = path(8_Mbps, 20ms).path;  // 1 us a byte: no rounding
    shape.loss = Probability::of(0.05);
    shape.duplicate = Probability::of(0.04);
    shape.corrupt = Probability::of(0.03);
    shape.reorder = Probability::of(0.06);
    shape.burst_loss = GilbertElliott{.p = Probability::of(0.02),
                                      .r = Probability::of(0.3),
                                      .h = Probability::of(0.2),
                                      .k = Probability::of(0.99)};
    return shape;
}

// The largest distance between what was drawn and the distribution (Kolmogorov, Smirnov).
double distance(std::vector<double> samples, const std::function<double(double)>& cumulative) {
    std::sort(samples.begin(), samples.end());
    const auto n = static_cast<double>(samples.size());
    double largest = 0.0;
    for (std::size_t i = 0; i < samples.size(); ++i) {
        const double expected = cumulative(samples[i]);
        largest = std::max({largest, std::abs(expected - static_cast<double>(i) / n),
                            std::abs(expected - static_cast<double>(i + 1) / n)});
    }
    return largest;
}

}  // namespace

TEST_CASE("edt: every packet meets what it would meet in the tun plane, at the same time") {
    NEEDS_BPF();
    constexpr std::uint64_t kSeed = 4711;
    constexpr std::uint32_t kSource = 2;  // the hosts' ids, which the draws depend on
    constexpr std::uint32_t kDestination = 3;
    EdtWorld kernel{{.sources = 3, .destinations = 4, .uplinks = 1, .seed = kSeed}};
    EngineWorld engine{4, kSeed};
    const PathShape shape = troubled();
    kernel.path(kSource, kDestination) = row_of(shape);
    FlowShape flow_shape;
    flow_shape.path = shape;
    engine.paths({{flow(kSource, kDestination), flow_shape}});

    std::mt19937 random{3};
    std::vector<Seen> expected;
    std::vector<Seen> actual;
    Duration when = 1ms;
    constexpr std::array<std::uint8_t, 6> kProtocols{6, 17, 1, 58, 47, 6};
    for (int i = 0; i < 4000; ++i) {
        when += std::chrono::microseconds{random() % 1500};
        const Frame frame{.source = kSource,
                          .destination = kDestination,
                          .bytes = static_cast<std::uint32_t>(100 + random() % 1400),
                          .protocol = kProtocols[random() % kProtocols.size()],
                          .v6 = random() % 2 == 0};
        engine.send(flow(kSource, kDestination), static_cast<std::int32_t>(frame.bytes), when, 1,
                    frame.protocol);
        // An echo request, where it is ICMPv6.
        Bytes bytes = bytes_of(frame);
        if (frame.protocol == 58 && frame.v6) bytes[kIp + 40] = 128;
        const auto sent = kernel.send(frame, bytes, when);
        const Bytes payload_after{sent.bytes.begin() + kIp + 20, sent.bytes.end()};
        const Bytes payload{bytes.begin() + kIp + 20, bytes.end()};
        actual.push_back({.arrivals = sent.passed() ? (sent.duplicate ? 2 : 1) : 0,
                          .corrupt = payload_after != payload,
                          .when = sent.passed() ? sent.delivery : 0s});
    }
    engine.run_until(1h);
    expected.resize(actual.size());
    for (const auto& one : engine.delivered) {
        Seen& seen = expected[one.packet];
        ++seen.arrivals;
        seen.corrupt = one.fate.corrupt;
        seen.when = one.time();
    }
    int different = 0;
    for (std::size_t i = 0; i < actual.size(); ++i) {
        if (actual[i].arrivals != expected[i].arrivals ||
            actual[i].corrupt != expected[i].corrupt || actual[i].when != expected[i].when) {
            UNSCOPED_INFO("packet " << i << ": " << actual[i].arrivals << " " << actual[i].corrupt
                                    << " " << actual[i].when.count() << ", expected "
                                    << expected[i].arrivals << " " << expected[i].corrupt << " "
                                    << expected[i].when.count());
            ++different;
        }
    }
    CHECK(different == 0);
    const FlowCounters& theirs = engine.counters(flow(kSource, kDestination));
    const edt_counters& ours = kernel.counters(kSource, kDestination);
    CHECK(ours.bytes == theirs.bytes);
    CHECK(ours.packets == theirs.packets);
    CHECK(ours.loss_drops == theirs.loss_drops);
    CHECK(ours.waited_ns == static_cast<std::uint64_t>(theirs.waited_ns));
    CHECK(theirs.loss_drops > 300);
}

TEST_CASE("edt: the same chances hold while the queue overflows") {
    NEEDS_BPF();
    EdtWorld kernel{{.sources = 1, .destinations = 2, .uplinks = 1, .seed = 5}};
    EngineWorld engine{2, 5};
    PathShape shape = troubled();
    shape.reorder = {};
    shape.queue = DataSize::bytes(10'000);
    kernel.path(0, 1) = row_of(shape);
    FlowShape flow_shape;
    flow_shape.path = shape;
    engine.paths({{flow(0, 1), flow_shape}});
    std::vector<int> ours;
    std::mt19937 random{8};
    Duration when = 0ms;
    for (int i = 0; i < 3000; ++i) {
        // Packets of one size: whole ones fit or don't, in both ways of counting.
        when += std::chrono::microseconds{random() % 1800};
        engine.send(flow(0, 1), 1000, when);
        ours.push_back(kernel.send({.bytes = 1000}, when).passed() ? 1 : 0);
    }
    engine.run_until(1h);
    std::vector<int> theirs(ours.size(), 0);
    for (const auto& one : engine.delivered) theirs[one.packet] = 1;
    const auto dropped = kernel.counters(0, 1).queue_drops;
    CHECK(dropped > 100);
    // A packet that just begins to be sent frees its place in one and not yet in the other.
    int different = 0;
    for (std::size_t i = 0; i < ours.size(); ++i) different += ours[i] != theirs[i] ? 1 : 0;
    CHECK(different <= 3000 / 50);
    const auto theirs_dropped = engine.counters(flow(0, 1)).queue_drops.load();
    CHECK(static_cast<double>(dropped) ==
          Approx(static_cast<double>(theirs_dropped)).epsilon(0.02));
}

TEST_CASE("edt: losses come as often as asked, and never or always when that is asked") {
    NEEDS_BPF();
    for (const double loss : {0.0, 0.001, 0.01, 0.25, 1.0}) {
        EdtWorld world;
        world.path(0, 1) = row();
        world.path(0, 1).loss = chance(loss);
        constexpr int kPackets = 20'000;
        for (int i = 0; i < kPackets; ++i) world.send({.bytes = 60}, 0ms);
        const auto lost = static_cast<double>(world.counters(0, 1).loss_drops);
        CHECK(std::abs(lost - kPackets * loss) <= 4 * std::sqrt(kPackets * loss * (1 - loss)));
        CHECK(world.counters(0, 1).packets == kPackets);  // the path has sent them all
    }
}

TEST_CASE("edt: burst loss has the bursts and the rate of its chain") {
    NEEDS_BPF();
    EdtWorld world;
    edt_path& path = world.path(0, 1) = row();
    path.flags |= EDT_BURST_LOSS;
    path.burst_p = chance(0.02);
    path.burst_r = chance(0.2);
    path.burst_h = 0;
    path.burst_k = EDT_ALWAYS;
    constexpr int kPackets = 50'000;
    std::map<int, int> bursts;  // by length
    int length = 0;
    for (int i = 0; i < kPackets; ++i) {
        if (!world.send({.bytes = 60}, 0ms).passed()) {
            ++length;
        } else if (length > 0) {
            ++bursts[length];
            length = 0;
        }
    }
    // In the bad state p/(p+r) of the time; lengths are geometric with 1-r.
    CHECK(static_cast<double>(world.counters(0, 1).loss_drops) ==
          Approx(kPackets * 0.02 / 0.22).epsilon(0.1));
    double count = 0;
    double squares = 0;
    for (const auto& [unused, n] : bursts) count += n;
    for (int n = 1; n <= 10; ++n) {
        const double expected = count * 0.2 * std::pow(0.8, n - 1);
        squares += (bursts[n] - expected) * (bursts[n] - expected) / expected;
    }
    CHECK(squares < 29.6);  // chi squared, 10 degrees of freedom, 0.999
}

TEST_CASE("edt: jitter has the distribution that was asked for") {
    NEEDS_BPF();
    constexpr int kSamples = 20'000;
    const double bound = 1.95 / std::sqrt(kSamples);
    const auto samples = [](int distribution) {
        EdtWorld world;
        edt_path& path = world.path(0, 1) = row(1s);
        path.jitter_ns = 1'000'000;
        path.distribution = static_cast<std::uint8_t>(distribution);
        std::vector<double> all;
        for (int i = 0; i < kSamples; ++i) {
            // So far apart that order does not matter.
            const Duration when = i * 100ms;
            const Duration delay = world.send({.bytes = 60}, when).delivery - when;
            all.push_back(static_cast<double>((delay - 1s).count()) / 1e6);
        }
        return all;
    };
    CHECK(distance(samples(EDT_NORMAL),
                   [](double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }) < bound);
    CHECK(distance(samples(EDT_UNIFORM), [](double x) { return (x + 1.0) / 2.0; }) < bound);
    CHECK(distance(samples(EDT_PARETO), [](double x) {
              const double pareto = x * 0.80222 + 1.49846;
              return pareto <= 1.0 ? 0.0 : 1.0 - std::pow(pareto, -3.0);
          }) < bound);
}

TEST_CASE("edt: uniform and pareto jitter are those of the tun plane") {
    NEEDS_BPF();
    const DrawStream draws{1, flow(0, 1), 17};
    for (const auto distribution : {JitterDistribution::uniform, JitterDistribution::pareto}) {
        EdtWorld world;
        edt_path& path = world.path(0, 1) = row(10s);
        path.jitter_ns = 100'000'000;
        path.distribution = static_cast<std::uint8_t>(distribution);
        double worst = 0.0;
        double worst_of_tail = 0.0;
        for (std::uint64_t i = 0; i < 3000; ++i) {
            const Duration when = static_cast<std::int64_t>(i) * 10s;
            const Duration jitter = world.send({.bytes = 60}, when).delivery - when - 10s;
            const double expected = draws.jitter(distribution, i);
            const double error = std::abs(static_cast<double>(jitter.count()) / 1e8 - expected);
            // The table is made of lines of h = 1/4096. At 0.99 pareto's second derivative
            // makes h^2/8 of it 1.9e-4; in the last step, where it is cut, 8 %.
            if (draws.uniform(DrawPurpose::jitter, i) < 0.99) {
                worst = std::max(worst, error);
            } else {
                worst_of_tail = std::max(worst_of_tail, error / expected);
            }
        }
        CHECK(worst < 2e-4);
        CHECK(worst_of_tail < 0.1);
    }
}

TEST_CASE("edt: jitter never makes a packet early, and keeps order") {
    NEEDS_BPF();
    EdtWorld world;
    edt_path& path = world.path(0, 1) = row(1ms);
    path.jitter_ns = 10'000'000;
    Duration last{};
    int at_once = 0;
    for (int i = 0; i < 2000; ++i) {
        const Duration when = i * 1ms;
        const Duration delivery = world.send({.bytes = 60}, when).delivery;
        CHECK(delivery >= when);
        CHECK(delivery >= last);
        last = delivery;
    }
    path.delay_ns = 0;
    for (int i = 0; i < 100; ++i) {
        const Duration when = i * 1s + 1h;
        at_once += world.send({.bytes = 60}, when).delivery == when ? 1 : 0;
    }
    CHECK(at_once > 30);
}

TEST_CASE("edt: a packet that is drawn for reordering overtakes, as a flow of its own") {
    NEEDS_BPF();
    EdtWorld world;
    world.path(0, 1) = row(50ms);
    CHECK(world.send({}, 0ms).delivery == 50ms);
    world.path(0, 1).reorder = EDT_ALWAYS;
    const auto overtakes = world.send({}, 1ms);
    CHECK(overtakes.delivery == 1ms);
    CHECK(overtakes.flow == (world.object().path(0, 1) | 0x80000000U));
    world.path(0, 1).reorder = 0;
    CHECK(world.send({}, 2ms).delivery == 52ms);
}

TEST_CASE("edt: a duplicate does not occupy the path") {
    NEEDS_BPF();
    EdtWorld world;
    edt_path& path = world.path(0, 1) = row();
    path.time_per_byte = time_per_byte(10_Mbps);
    path.duplicate = EDT_ALWAYS;
    const auto first = world.send({.bytes = 1250}, 0ms);
    CHECK(first.duplicate);
    CHECK(first.delivery == 1ms);
    CHECK(world.send({.bytes = 1250}, 0ms).delivery == 2ms);
    CHECK(world.counters(0, 1).packets == 2);
    CHECK(world.counters(0, 1).bytes == 2500);
}

TEST_CASE("edt: corruption flips one bit of the payload, where the tun plane flips it") {
    NEEDS_BPF();
    for (const bool v6 : {false, true}) {
        for (const std::uint8_t protocol : std::array<std::uint8_t, 3>{6, 17, 47}) {
            EdtWorld world;
            world.path(0, 1) = row();
            world.path(0, 1).corrupt = EDT_ALWAYS;
            const DrawStream draws{1, flow(0, 1), protocol};
            const std::size_t payload = kIp + (v6 ? 40 : 20);
            for (std::uint64_t i = 0; i < 20; ++i) {
                const Frame frame{.bytes = 500, .protocol = protocol, .v6 = v6};
                Bytes expected = bytes_of(frame);
                const Bytes actual = world.send(frame, 0ms).bytes;
                const auto noise =
                    static_cast<std::uint32_t>(draws.bits(DrawPurpose::corrupt_place, i));
                const std::size_t bit = noise % ((500 - payload) * 8);
                expected[payload + bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
                CHECK(std::equal(expected.begin() + static_cast<long>(payload), expected.end(),
                                 actual.begin() + static_cast<long>(payload)));
                // The header is broken for those whose checksum nobody may have computed.
                const bool broken =
                    !std::equal(expected.begin(), expected.begin() + static_cast<long>(payload),
                                actual.begin());
                CHECK(broken == (protocol != 47));
            }
        }
    }
}

TEST_CASE("edt: a datagram without checksum, and fragments, are corrupted but not broken") {
    NEEDS_BPF();
    EdtWorld world;
    world.path(0, 1) = row();
    world.path(0, 1).corrupt = EDT_ALWAYS;
    Bytes bare = bytes_of({.bytes = 500});
    bare[kIp + 26] = bare[kIp + 27] = 0;
    const Bytes after = world.send({}, bare, 0ms).bytes;
    CHECK(after != bare);
    CHECK(std::equal(bare.begin(), bare.begin() + kIp + 20, after.begin()));
    Bytes fragment = bytes_of({.bytes = 500});
    fragment[kIp + 6] = 0x20;  // more fragments
    const Bytes fragment_after = world.send({}, fragment, 0ms).bytes;
    CHECK(fragment_after != fragment);
    CHECK(std::equal(fragment.begin(), fragment.begin() + kIp + 20, fragment_after.begin()));
}

TEST_CASE("edt: a packet of many segments has the fate of its first, and takes the draws of all") {
    NEEDS_BPF();
    EdtWorld many;
    EdtWorld single;
    for (EdtWorld* const world : {&many, &single}) {
        world->path(0, 1) = row();
        world->path(0, 1).loss = chance(0.3);
    }
    for (int i = 0; i < 200; ++i) {
        const bool passed = many.send({.bytes = 54 + 300,
                                       .protocol = 6,
                                       .gso_segments = 3,
                                       .gso_size = 100,
                                       .wire_bytes = 300 + 3 * 54},
                                      0ms)
                                .passed();
        CHECK(passed == single.send({.bytes = 154, .protocol = 6}, 0ms).passed());
        single.send({.bytes = 154, .protocol = 6}, 0ms);
        single.send({.bytes = 154, .protocol = 6}, 0ms);
    }
    CHECK(many.counters(0, 1).loss_drops % 3 == 0);
    // One that would be corrupted is lost: nothing could keep a single segment of it broken.
    many.path(0, 1).loss = 0;
    many.path(0, 1).corrupt = EDT_ALWAYS;
    CHECK_FALSE(many.send({.bytes = 54 + 300,
                           .protocol = 6,
                           .gso_segments = 3,
                           .gso_size = 100,
                           .wire_bytes = 300 + 3 * 54},
                          0ms)
                    .passed());
}
