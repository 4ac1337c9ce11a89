// The conformance suite, part three: what gets lost, doubled or damaged.
#include <array>

#include "model/draw.hh"
#include "tests/dataplane/plane_cases.hh"

using namespace pleat;
using namespace pleat::testing;

namespace {

constexpr std::uint8_t kUdp = 17;

// Of so many datagrams, those that the model says are lost.
std::vector<int> lost_by_model(FlowKey flow, int count, double loss) {
    const DrawStream draws{1, flow, kUdp};  // the world's seed
    std::vector<int> lost;
    for (int i = 0; i < count; ++i) {
        if (draws.happens(DrawPurpose::loss, static_cast<std::uint64_t>(i), loss)) {
            lost.push_back(i);
        }
    }
    return lost;
}

std::vector<int> missing_of(const StreamResult& result, int count) {
    const std::vector<int> copies = result.copies(count);
    std::vector<int> missing;
    for (int i = 0; i < count; ++i) {
        if (copies[static_cast<std::size_t>(i)] == 0) missing.push_back(i);
    }
    return missing;
}

}  // namespace

TEST_CASE("as many packets are lost as asked, and the sender is not told", "[short]") {
    for_each_plane([](const Plane& plane) {
        PlaneWorld world{plane.open, {"a -> s1: 1ms loss=20%", "s1 -- b: 1ms", "s1 -> a: 1ms"}};
        const auto times = world.ping("a", "b", 500, 1ms, false, 200ms);
        // 400 expected, standard deviation 9.
        CHECK(times.size() > 360);
        CHECK(times.size() < 440);
        CHECK(world.counters(world.flow("a", "b"))->loss_drops == 500 - times.size());
        Stream stream = world.stream("a", "b", 500);
        stream.interval = 300us;
        const StreamResult result = world.exchange(stream);
        CHECK(result.arrivals.size() > 360);
        CHECK(result.arrivals.size() < 440);
        CHECK(result.send_errors == 0);
    });
}

TEST_CASE("the packets that are lost are those that the seed says", "[short]") {
    for_each_plane([](const Plane& plane) {
        if (!plane.draws_by_model) return not_applicable();
        PlaneWorld world{plane.open, {"a -> s1: 1ms loss=5%", "s1 -- b: 1ms", "s1 -> a: 1ms"}};
        world.ping("a", "b", 5, 1ms);  // another protocol does not shift them
        Stream stream = world.stream("a", "b", 1000);
        stream.interval = 300us;
        CHECK(missing_of(world.exchange(stream), 1000) ==
              lost_by_model(world.flow("a", "b"), 1000, 0.05));
    });
}

TEST_CASE("a joined packet's segments are lost one by one, or all as the first", "[short]") {
    for_each_plane([](const Plane& plane) {
        PlaneWorld world{plane.open, {"a -> s1: 1ms loss=5%", "s1 -- b: 1ms", "s1 -> a: 1ms"}};
        constexpr int kJoined = 20;
        constexpr int kAll = 150 * kJoined;
        constexpr std::size_t kMost = std::size_t{19} * kJoined;
        Stream stream = world.stream("a", "b", 150);
        stream.segments = kJoined;
        const std::vector<int> missing = missing_of(world.exchange(stream), kAll);
        const auto counters = world.counters(world.flow("a", "b"));
        CHECK(counters->loss_drops == missing.size());
        CHECK(counters->packets == kAll);
        std::vector<int> expected = lost_by_model(world.flow("a", "b"), kAll, 0.05);
        switch (plane.joined_loss) {
            case JoinedLoss::each:
                CHECK(missing == expected);
                break;
            case JoinedLoss::as_first:
                std::erase_if(expected, [](int number) { return number % kJoined != 0; });
                for (int i = static_cast<int>(expected.size()) - 1; i >= 0; --i) {
                    const int first = expected[static_cast<std::size_t>(i)];
                    for (int more = kJoined - 1; more > 0; --more) {
                        expected.insert(expected.begin() + i + 1, first + more);
                    }
                }
                CHECK(!expected.empty());
                CHECK(missing == expected);
                break;
            case JoinedLoss::all_or_nothing:
                // 7.5 of 150 expected, standard deviation 2.7.
                CHECK(missing.size() % kJoined == 0);
                CHECK_FALSE(missing.empty());
                CHECK(missing.size() <= kMost);
                break;
        }
    });
}

TEST_CASE("TCP sees losses: what is lost is sent again", "[short]") {
    for_each_plane([](const Plane& plane) {
        PlaneWorld world{plane.open,
                         {"a -> s1: 1ms 100Mbps loss=1%", "s1 -- b: 0ms", "s1 -> a: 1ms"}};
        const TestHost& a = world.host("a");
        const TestHost& b = world.host("b");
        const std::array<TcpTransfer, 3> transfers{{{a, b}, {a, b}, {a, b}}};
        const FlowKey flow = world.flow("a", "b");
        world.await([&] {
            const auto counters = world.counters(flow);
            return counters && counters->loss_drops >= 100;
        });
        const auto counters = world.counters(flow);
        std::uint32_t retransmissions = 0;
        std::uint64_t received = 0;
        for (const TcpTransfer& one : transfers) {
            retransmissions += one.retransmissions();
            received += one.received();
        }
        // Those of the last round trips may be on their way yet.
        CHECK(retransmissions >= 70);
        CHECK(received > 1'000'000);
        const double rate = static_cast<double>(counters->loss_drops.load()) /
                            static_cast<double>(counters->packets.load());
        CHECK(rate == Approx(0.01).epsilon(0.4));
    });
}

TEST_CASE("bursts of loss are as long and as frequent as their chain says", "[short]") {
    for_each_plane([](const Plane& plane) {
        const std::vector<std::string> lines{"a -- s1: 1ms", "s1 -- b: 1ms"};
        PlaneWorld world{plane.open, lines};
        // All are lost in the bad state: 1 in 4 leads out of it.
        const GilbertElliott chain{.p = Probability::of(0.02),
                                   .r = Probability::of(0.25),
                                   .h = Probability::of(0.0),
                                   .k = Probability::of(1.0)};
        bool first = true;
        change_to(world, lines, [&](LinkProperties& link) {
            if (std::exchange(first, false)) link.burst_loss = chain;
        });
        constexpr int kPackets = 6000;
        Stream stream = world.stream("a", "b", kPackets);
        stream.interval = 150us;
        const std::vector<int> missing = missing_of(world.exchange(stream), kPackets);
        std::vector<int> runs(7, 0);
        std::size_t length = 0;
        for (std::size_t i = 0; i < missing.size(); ++i) {
            ++length;
            if (i + 1 < missing.size() && missing[i + 1] == missing[i] + 1) continue;
            ++runs[std::min(length, runs.size()) - 1];
            length = 0;
        }
        const double lost = static_cast<double>(missing.size()) / kPackets;
        CHECK(lost == Approx(0.02 / 0.27).epsilon(0.35));
        // 0.999 of chi-square with six degrees of freedom.
        INFO("runs " << Catch::Detail::stringify(runs));
        CHECK(chi_square_of_runs(runs, 0.75) < 22.5);
    });
}

TEST_CASE("packets are doubled and damaged as often as asked", "[short]") {
    for_each_plane([](const Plane& plane) {
        const std::vector<std::string> lines{"a -- s1: 1ms", "s1 -- b: 0ms"};
        PlaneWorld world{plane.open, lines};
        change_to(world, lines, [](LinkProperties& link) {
            if (link.latency == Duration::zero()) return;
            link.duplicate = Probability::of(0.05);
            link.corrupt = Probability::of(0.05);
        });
        Stream stream = world.stream("a", "b", 2000);
        stream.interval = 300us;
        stream.payload = 400;
        stream.checksum = false;
        const StreamResult result = world.exchange(stream);
        const auto copies = result.copies(2000);
        const auto doubled = std::ranges::count(copies, 2);
        const auto missing = std::ranges::count(copies, 0);  // damaged in a header
        const auto damaged =
            std::ranges::count_if(result.arrivals, [](const Arrival& one) { return one.damaged; });
        INFO(doubled << " doubled, " << damaged << " damaged, " << missing << " missing");
        // 100 expected of each, standard deviation 10.
        CHECK(doubled > 60);
        CHECK(doubled < 140);
        CHECK(damaged > 40);
        CHECK(damaged + missing > 60);
        CHECK(damaged + missing < 150);
    });
}

TEST_CASE("TCP survives loss, duplicates, reordering and corruption") {
    for_each_plane([](const Plane& plane) {
        const std::vector<std::string> lines{"a -- s1: 2ms 100Mbps loss=0.1%", "s1 -- b: 0ms"};
        PlaneWorld world{plane.open, lines};
        change_to(world, lines, [](LinkProperties& link) {
            link.duplicate = Probability::of(0.01);
            link.reorder = Probability::of(0.005);
            link.corrupt = Probability::of(0.001);
        });
        const TcpTransfer transfer{world.host("a"), world.host("b")};
        const Instant from = monotonic_now();
        world.pass(1s);
        const std::chrono::duration<double> time = monotonic_now() - from;
        CHECK(8.0 * static_cast<double>(transfer.received()) / time.count() > 1e6);
        CHECK(world.plane().totals().malformed_drops == 0);
    });
}
