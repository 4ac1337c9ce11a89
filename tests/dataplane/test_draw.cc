#include <cmath>

#include <catch2/catch.hpp>

#include "tests/dataplane/engine_world.hh"
#include "tests/dataplane/statistics.hh"

using namespace pleat;
using namespace pleat::literals;
using namespace pleat::testing;

namespace {

std::vector<double> jitters(JitterDistribution distribution, int count) {
    const DrawStream draws{42, flow(3, 4), 6};
    std::vector<double> all;
    all.reserve(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) {
        all.push_back(draws.jitter(distribution, static_cast<std::uint64_t>(i)));
    }
    return all;
}

// Which of `count` packets of the flow get lost.
std::vector<std::uint32_t> survivors(EngineWorld& world, FlowKey key, std::uint8_t protocol) {
    std::vector<std::uint32_t> mine;
    for (int i = 0; i < 500; ++i) {
        mine.push_back(world.send(key, 100, i * 1ms, 1, protocol));
        // Other traffic, of which the draws must not depend.
        if (i % 3 == 0) world.send(key, 100, i * 1ms, 1, 1);
        if (i % 5 == 0) world.send(flow(2, 3), 100, i * 1ms, 1, protocol);
    }
    world.run_until(1h);
    std::vector<std::uint32_t> arrived;
    for (std::uint32_t i = 0; i < mine.size(); ++i) {
        for (const auto& one : world.delivered) {
            if (one.packet == mine[i]) arrived.push_back(i);
        }
    }
    return arrived;
}

FlowShape lossy(double loss) {
    FlowShape shape = path(Bandwidth::unlimited());
    shape.path.loss = Probability::of(loss);
    return shape;
}

}  // namespace

TEST_CASE("draws depend on seed, path, protocol, purpose and count, on each of them") {
    const DrawStream draws{1, flow(0, 1), 6};
    const std::uint64_t one = draws.bits(DrawPurpose::loss, 7);
    CHECK(one == DrawStream{1, flow(0, 1), 6}.bits(DrawPurpose::loss, 7));
    CHECK(one != DrawStream{2, flow(0, 1), 6}.bits(DrawPurpose::loss, 7));
    CHECK(one != DrawStream{1, flow(1, 0), 6}.bits(DrawPurpose::loss, 7));
    CHECK(one != DrawStream{1, flow(0, 1), 17}.bits(DrawPurpose::loss, 7));
    CHECK(one != draws.bits(DrawPurpose::jitter, 7));
    CHECK(one != draws.bits(DrawPurpose::loss, 8));
}

TEST_CASE("what a packet meets does not depend on other traffic") {
    EngineWorld busy;
    busy.paths({{flow(0, 1), lossy(0.3)}, {flow(2, 3), lossy(0.5)}});
    const auto with_others = survivors(busy, flow(0, 1), 6);

    EngineWorld alone;
    alone.paths({{flow(0, 1), lossy(0.3)}});
    std::vector<std::uint32_t> arrived;
    arrived.reserve(500);
    for (int i = 0; i < 500; ++i) alone.send(flow(0, 1), 100, i * 1ms, 1, 6);
    for (const auto& one : alone.delivered) arrived.push_back(one.packet);
    CHECK(with_others == arrived);
    CHECK(arrived.size() > 300);
    CHECK(arrived.size() < 400);
}

TEST_CASE("a GSO packet's segments meet what single packets would meet") {
    EngineWorld single;
    single.paths({{flow(0, 1), lossy(0.2)}});
    for (int i = 0; i < 60; ++i) single.send(flow(0, 1), 100, i * 1ms);
    std::vector<int> expected;
    expected.reserve(60);
    for (const auto& one : single.delivered) expected.push_back(static_cast<int>(one.packet));

    EngineWorld joined;
    joined.paths({{flow(0, 1), lossy(0.2)}});
    for (int i = 0; i < 3; ++i) joined.send(flow(0, 1), 100, i * 1ms, 20);
    std::vector<int> arrived;
    for (const auto& one : joined.delivered) {
        for (int i = 0; i < one.segments; ++i) {
            arrived.push_back(static_cast<int>(one.packet) * 20 + one.first + i);
        }
    }
    CHECK(arrived == expected);
}

TEST_CASE("losses come as often as asked") {
    for (const double loss : {0.001, 0.01, 0.25}) {
        EngineWorld world;
        world.paths({{flow(0, 1), lossy(loss)}});
        constexpr int kPackets = 200'000;
        for (int i = 0; i < kPackets / 40; ++i) world.send(flow(0, 1), 1500, i * 1ms, 40);
        const auto lost = static_cast<double>(world.counters(flow(0, 1)).loss_drops);
        CHECK(std::abs(lost - kPackets * loss) < 4 * std::sqrt(kPackets * loss * (1 - loss)));
    }
}

TEST_CASE("burst loss has the bursts and the rate of its chain") {
    EngineWorld world;
    FlowShape shape = path(Bandwidth::unlimited());
    shape.path.burst_loss = GilbertElliott{.p = Probability::of(0.02),
                                           .r = Probability::of(0.2),
                                           .h = Probability::of(0.0),
                                           .k = Probability::of(1.0)};
    world.paths({{flow(0, 1), shape}});
    constexpr int kPackets = 100'000;
    for (int i = 0; i < kPackets; ++i) world.send(flow(0, 1), 100, i * 1us);
    // In the bad state p/(p+r) of the time, for 1/r packets each time.
    std::uint32_t next = 0;
    int bursts = 0;
    for (const auto& one : world.delivered) {
        bursts += one.packet != next ? 1 : 0;
        next = one.packet + 1;
    }
    const int lost = kPackets - static_cast<int>(world.delivered.size());
    CHECK(lost == Approx(kPackets * 0.02 / 0.22).epsilon(0.08));
    CHECK(static_cast<double>(lost) / bursts == Approx(5.0).epsilon(0.08));
}

TEST_CASE("jitter has the distribution that was asked for") {
    constexpr int kSamples = 20'000;
    for (const auto distribution :
         {JitterDistribution::normal, JitterDistribution::uniform, JitterDistribution::pareto}) {
        CHECK(distance(jitters(distribution, kSamples), cumulative(distribution)) <
              largest_distance(kSamples));
    }
}

TEST_CASE("normal and pareto jitter have mean 0 and the standard deviation of the link") {
    for (const auto distribution : {JitterDistribution::normal, JitterDistribution::pareto}) {
        double sum = 0.0;
        double squares = 0.0;
        constexpr int kSamples = 200'000;
        for (const double x : jitters(distribution, kSamples)) {
            sum += x;
            squares += x * x;
        }
        CHECK(std::abs(sum / kSamples) < 0.02);
        CHECK(std::sqrt(squares / kSamples) == Approx(1.0).epsilon(0.02));
    }
}
