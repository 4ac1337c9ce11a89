#include <cmath>

#include <catch2/catch.hpp>

#include "node/dataplane/edt/rows.hh"
#include "node/dataplane/edt/source_needs.hh"

using namespace std::chrono_literals;

namespace pleat {
namespace {

using namespace literals;

// The time of `bytes` as the program reckons it.
double seconds(std::uint64_t per_byte, double bytes) {
    return bytes * static_cast<double>(per_byte) / (1 << EDT_TIME_PER_BYTE_SHIFT) / 1e9;
}

Path plain_path() {
    Path path;
    path.latency = 10ms;
    path.bandwidth = 10_Mbps;
    path.queue = 30'000_B;
    return path;
}

TEST_CASE("a rate becomes a time per byte that is never short, and wrong by less than 1e-5") {
    for (const Bandwidth rate :
         {60_bps, 128_kbps, 3_Mbps, 10_Mbps, 1_Gbps, 7'777'777_bps, 40_Gbps}) {
        const double exact = 8.0 / static_cast<double>(rate.bits_per_second());
        const double row = seconds(time_per_byte(rate), 1.0);
        CHECK(row >= exact * (1.0 - 1e-15));
        CHECK(row <= exact * (1.0 + 1e-5));
        // And back.
        CHECK(static_cast<double>(rate_of(time_per_byte(rate)).bits_per_second()) ==
              Approx(static_cast<double>(rate.bits_per_second())).epsilon(1e-5));
    }
    CHECK(time_per_byte(1_Gbps) == 8ULL << EDT_TIME_PER_BYTE_SHIFT);
}

TEST_CASE("only unlimited takes no time") {
    CHECK(time_per_byte(Bandwidth::unlimited()) == 0);
    CHECK(rate_of(0).is_unlimited());
    CHECK(time_per_byte(Bandwidth::bits_per_second(Bandwidth::unlimited().bits_per_second() - 1)) ==
          1);
}

TEST_CASE("the slowest rate keeps the program's arithmetic within 64 bits") {
    CHECK(time_per_byte(1_bps) == time_per_byte(kSlowestRate));
    constexpr std::uint64_t kLargestPacket = 1U << 17;  // more than GSO makes, with headers
    CHECK(time_per_byte(1_bps) < ~0ULL / kLargestPacket);
}

TEST_CASE("a chance is rounded to 2^-32, but a rare one is not none and a likely one not certain") {
    CHECK(chance(Probability{}) == 0);
    CHECK(chance(Probability::of(0.5)) == 0x80000000U);
    CHECK(chance(Probability::of(0.01)) == 42'949'673U);
    CHECK(chance(Probability::of(1e-12)) == 1);
    CHECK(chance(Probability::of(1.0)) == EDT_ALWAYS);
    CHECK(chance(Probability::of(std::nextafter(1.0, 0.0))) == EDT_ALWAYS - 1);
}

TEST_CASE("a row says what the path says") {
    Path path = plain_path();
    path.jitter = 2ms;
    path.distribution = JitterDistribution::pareto;
    path.loss = Probability::of(0.25);
    path.duplicate = Probability::of(0.125);
    path.corrupt = Probability::of(0.0625);
    path.reorder = Probability::of(0.03125);
    path.overhead = Overhead{Overhead::kWire};
    const edt_path row = path_row(path, 7);
    CHECK(row.time_per_byte == 800ULL << EDT_TIME_PER_BYTE_SHIFT);
    CHECK(row.delay_ns == 10'000'000);
    CHECK(row.jitter_ns == 2'000'000);
    CHECK(row.queue_bytes == 30'000);
    CHECK(row.loss == 1U << 30);
    CHECK(row.duplicate == 1U << 29);
    CHECK(row.corrupt == 1U << 28);
    CHECK(row.reorder == 1U << 27);
    CHECK(row.uplink == 7);
    CHECK(row.overhead == 38);
    CHECK(row.distribution == EDT_PARETO);
    CHECK(row.flags == EDT_REACHABLE);
}

TEST_CASE("burst loss has its own flag, so that all its chances may be none") {
    Path path = plain_path();
    CHECK_FALSE(has_chances(path_row(path, EDT_NO_UPLINK)));
    path.burst_loss = GilbertElliott{.p = Probability::of(0.5),
                                     .r = Probability::of(0.25),
                                     .h = Probability{},
                                     .k = Probability::of(1.0)};
    const edt_path row = path_row(path, EDT_NO_UPLINK);
    CHECK(row.flags == (EDT_REACHABLE | EDT_BURST_LOSS));
    CHECK(row.burst_p == 1U << 31);
    CHECK(row.burst_r == 1U << 30);
    CHECK(row.burst_h == 0);
    CHECK(row.burst_k == EDT_ALWAYS);
    CHECK(has_chances(row));
}

TEST_CASE("what a row can't hold becomes the most that it can") {
    Path path = plain_path();
    path.jitter = 5s;
    path.queue = DataSize::bytes(5'000'000'000);
    path.latency = 100h;
    const edt_path row = path_row(path, EDT_NO_UPLINK);
    CHECK(row.jitter_ns == 0xffffffffU);
    CHECK(row.queue_bytes == 0xffffffffU);
    CHECK(row.delay_ns == 3'600'000'000'000ULL);
}

TEST_CASE("a host without paths is unreachable, not free") {
    CHECK((edt_path{}.flags & EDT_REACHABLE) == 0);
}

TEST_CASE("an uplink has a rate and an overhead") {
    LinkProperties link;
    link.bandwidth = 8_Mbps;
    const edt_uplink row = uplink_row(link);
    CHECK(row.time_per_byte == 1000ULL << EDT_TIME_PER_BYTE_SHIFT);
    CHECK(row.overhead == Overhead::kEthernet);
}

TEST_CASE("fq holds all that a host's paths have under way and waiting, in the smallest packets") {
    Path path = plain_path();
    path.bandwidth = 1_Gbps;
    path.latency = 100ms;                      // 12.5 MB under way
    path.queue = DataSize::bytes(25'000'000);  // and 25 MB waiting
    const std::vector<edt_path> two(2, path_row(path, EDT_NO_UPLINK));
    CHECK(needs_of(two).packet_limit >= 2 * 37'500'000 / 64);
    CHECK(needs_of(two).packet_limit < 4 * 37'500'000 / 64);
}

TEST_CASE("fq's limit has a floor, and a ceiling for unlimited rates") {
    CHECK(needs_of({}).packet_limit == 1U << 14);
    Path path = plain_path();
    path.bandwidth = Bandwidth::unlimited();
    path.queue = DataSize::bytes(std::numeric_limits<std::int64_t>::max());
    path.latency = 1h;
    const std::vector<edt_path> many(1000, path_row(path, EDT_NO_UPLINK));
    CHECK(needs_of(many).packet_limit == 1U << 24);
}

TEST_CASE("a host needs single segments when any of its paths draws chances") {
    std::vector<edt_path> paths(3, path_row(plain_path(), EDT_NO_UPLINK));
    paths[2].jitter_ns = 1000;  // one draw a packet is enough
    CHECK_FALSE(needs_of(paths).chances);
    paths[1].loss = 1;
    CHECK(needs_of(paths).chances);
}

}  // namespace
}  // namespace pleat
