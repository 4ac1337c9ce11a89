// The uplink's calendar (bpf/shared/uplink_calendar.h), which the program in the kernel and
// this test compile alike.
#include <algorithm>
#include <array>
#include <memory>
#include <random>
#include <vector>

#include <catch2/catch.hpp>

#include "bpf/shared/uplink_calendar.h"
#include "model/units.hh"

namespace {

using Ticks = std::uint64_t;

constexpr Ticks kMicrosecond = 1000ULL << EDT_TICK_SHIFT;
constexpr Ticks kMillisecond = 1000 * kMicrosecond;
constexpr Ticks kStart = 100'000 * kMillisecond;

std::uint64_t time_per_byte(std::uint64_t bits_per_second) {
    const auto at_one = static_cast<pleat::Int128>(8'000'000'000ULL) << EDT_TIME_PER_BYTE_SHIFT;
    return static_cast<std::uint64_t>((at_one + static_cast<pleat::Int128>(bits_per_second) - 1) /
                                      static_cast<pleat::Int128>(bits_per_second));
}

struct Departure {
    Ticks at;
    Ticks time;  // of the link
};

class Link {
  public:
    explicit Link(std::uint64_t bits_per_second) : time_per_byte_{time_per_byte(bits_per_second)} {
        edt_calendar_reshape(calendar_.get(), time_per_byte_);
    }

    Ticks time_of(std::uint64_t bytes) const { return edt_ticks(bytes, time_per_byte_, 0); }

    Ticks bucket() const { return 1ULL << (calendar_->shift + EDT_TICK_SHIFT); }

    Ticks credit() const { return edt_calendar_credit(calendar_.get()) << EDT_TICK_SHIFT; }

    // When it leaves; 0: no room.
    Ticks book(Ticks now, Ticks ready, std::uint64_t bytes) {
        const Ticks time = time_of(bytes);
        const Ticks leaves = edt_calendar_book(calendar_.get(), now, ready, time);
        if (leaves != 0) departures.push_back({leaves, time});
        return leaves;
    }

    edt_calendar& calendar() { return *calendar_; }

    std::vector<Departure> departures;

  private:
    std::unique_ptr<edt_calendar> calendar_ = std::make_unique<edt_calendar>();
    std::uint64_t time_per_byte_;
};

// A path with a clock of its own, as the program keeps it.
struct Path {
    std::uint64_t time_per_byte = 0;
    Ticks clock = 0;
    Ticks departed = 0;

    // When a packet that comes now leaves; 0: no room.
    Ticks send(Link& link, Ticks now, std::uint64_t bytes) {
        const Ticks finish = std::max(now, clock) + edt_ticks(bytes, time_per_byte, EDT_ROUND_UP);
        const Ticks ready = std::max(finish, departed);
        const Ticks leaves = link.book(now, ready, bytes);
        if (leaves == 0) return 0;
        clock = std::max(finish, leaves - link.credit());
        departed = leaves;
        return leaves;
    }
};

// By how much link time more than its length leaves within any interval, at worst: every
// pair of departures is looked at.
std::int64_t worst_excess(std::vector<Departure> all) {
    std::sort(all.begin(), all.end(), [](auto a, auto b) { return a.at < b.at; });
    std::int64_t worst = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
        std::int64_t sum = 0;
        for (std::size_t j = i; j < all.size(); ++j) {
            sum += static_cast<std::int64_t>(all[j].time);
            // The interval that is open at the left: begins just before departure i.
            worst = std::max(worst, sum - static_cast<std::int64_t>(all[j].at - all[i].at));
        }
    }
    return worst;
}

constexpr std::array<std::uint64_t, 6> kRates{64'000,      1'000'000,     10'000'000,
                                              100'000'000, 1'000'000'000, 40'000'000'000};

}  // namespace

TEST_CASE("a calendar's buckets are half a millisecond and 2 full-size packets wide, or more") {
    for (const std::uint64_t rate : kRates) {
        const Link link{rate};
        const Ticks width = link.bucket();
        CHECK(width >= kMillisecond / 2);
        CHECK(width >= link.time_of(2ULL * EDT_CALENDAR_FULL_SIZE));
        const bool least = width == 1ULL << (EDT_CALENDAR_SHIFT_MIN + EDT_TICK_SHIFT);
        CHECK((least || width / 2 < link.time_of(2ULL * EDT_CALENDAR_FULL_SIZE)));
    }
    CHECK(edt_calendar_shift(time_per_byte(1)) == EDT_CALENDAR_SHIFT_MAX);
    CHECK(edt_calendar_shift(0) == EDT_CALENDAR_SHIFT_MIN);
}

TEST_CASE("packets that ask for any times at all never exceed the link") {
    std::mt19937_64 random{17};
    for (const std::uint64_t rate : kRates) {
        for (int round = 0; round < 30; ++round) {
            Link link{rate};
            const Ticks full = link.time_of(1514);
            Ticks now = kStart;
            const int pattern = round % 3;
            for (int i = 0; i < 400; ++i) {
                // At random, ever earlier (what one books before another), or bursts.
                Ticks ahead = random() % (60 * full);
                if (pattern == 1) ahead = static_cast<Ticks>(400 - i) * full / 3;
                if (pattern == 2) ahead = (random() % 4) * 20 * full;
                if (random() % 4 == 0) now += random() % (2 * full);
                const std::uint64_t bytes = random() % 3 == 0 ? 60 : 60 + random() % 1455;
                const Ticks ready = now + ahead;
                const Ticks leaves = link.book(now, ready, bytes);
                if (leaves != 0 && leaves < ready) FAIL("left before it was ready");
            }
            const auto excess = worst_excess(link.departures);
            INFO("rate " << rate << ", pattern " << pattern << ": excess of " << excess
                         << " ticks; bucket " << link.bucket() << ", packet " << full);
            CHECK(excess <= static_cast<std::int64_t>(2 * (link.bucket() + full)));
            CHECK(link.departures.size() > 100);
        }
    }
}

TEST_CASE("paths that ask for more than the link never exceed it, and each keeps its order") {
    std::mt19937_64 random{4};
    for (const std::uint64_t rate : kRates) {
        for (int round = 0; round < 10; ++round) {
            Link link{rate};
            std::vector<Path> paths(5);
            for (Path& path : paths) path.time_per_byte = time_per_byte(rate) * (1 + random() % 3);
            Ticks now = kStart;
            std::uint64_t longest = 0;
            for (int i = 0; i < 600; ++i) {
                Path& path = paths[random() % paths.size()];
                now += random() % (link.time_of(1514) / 2);
                // One in 20 stands for many.
                const std::uint64_t bytes = random() % 20 == 0 ? 20'000 : 60 + random() % 1455;
                longest = std::max(longest, bytes);
                const Ticks before = path.departed;
                const Ticks leaves = path.send(link, now, bytes);
                if (leaves != 0 && leaves < before) FAIL("order was not kept");
            }
            const auto excess = worst_excess(link.departures);
            INFO("rate " << rate << ": excess of " << excess << " ticks");
            CHECK(excess <= static_cast<std::int64_t>(2 * (link.bucket() + link.time_of(longest))));
        }
    }
}

TEST_CASE("a path that runs at the link's rate is never delayed by it") {
    std::mt19937_64 random{9};
    for (const std::uint64_t rate : kRates) {
        Link link{rate};
        Path path{.time_per_byte = time_per_byte(rate)};
        Ticks now = kStart;
        Ticks clock = 0;
        for (int i = 0; i < 20'000; ++i) {
            const std::uint64_t bytes = random() % 30 == 0 ? 30'000 : 60 + random() % 1455;
            // What it would be without the link.
            clock = std::max(now, clock) + edt_ticks(bytes, path.time_per_byte, EDT_ROUND_UP);
            if (path.send(link, now, bytes) != clock) FAIL("delayed at packet " << i);
            if (random() % 8 == 0 || clock > now + 100 * link.time_of(1514)) {
                now = std::max(now,
                               clock - std::min(clock - kStart, random() % link.time_of(30'000)));
            }
        }
    }
}

TEST_CASE("paths that fit in the link are delayed by no more than one another's packets") {
    for (const std::uint64_t rate : kRates) {
        Link link{rate};
        const Ticks full = link.time_of(1514);
        std::vector<Path> paths(4);
        const std::array<std::uint64_t, 4> shares{2, 4, 8, 16};  // 15/16 in all
        for (std::size_t i = 0; i < paths.size(); ++i) {
            paths[i].time_per_byte = time_per_byte(rate) * shares[i];
        }
        // All of them have a backlog of 10 full-size packets, always.
        for (Ticks now = kStart; now < kStart + 2000 * full; now += full) {
            for (Path& path : paths) {
                while (path.clock < now + 10 * full) {
                    const Ticks finish = std::max(now, path.clock) +
                                         edt_ticks(1514, path.time_per_byte, EDT_ROUND_UP);
                    const Ticks leaves = path.send(link, now, 1514);
                    REQUIRE(leaves != 0);
                    if (leaves > std::max(finish, path.departed) + 5 * full) FAIL("disturbed");
                    if (path.clock != finish) FAIL("its clock was pushed on");
                }
            }
        }
    }
}

TEST_CASE("a backlog far ahead does not delay what leaves now") {
    Link link{100'000'000};
    Path busy{.time_per_byte = time_per_byte(90'000'000)};
    for (int i = 0; i < 3000; ++i) busy.send(link, kStart, 1250);  // a third of a second
    Path other{.time_per_byte = time_per_byte(10'000'000)};
    for (int i = 0; i < 300; ++i) {
        const Ticks now = kStart + static_cast<Ticks>(i) * kMillisecond;
        const Ticks leaves = other.send(link, now, 1250);
        // It takes 1 ms of its own; the two fill the link to the last bit.
        CHECK(leaves <= now + kMillisecond + 2 * link.bucket());
    }
}

TEST_CASE("a link that is full until far ahead is found so in one jump") {
    Link link{100'000'000};
    const Ticks time = link.time_of(1250);
    for (int i = 0; i < 8000; ++i) {
        if (link.book(kStart, kStart + time, 1250) == 0) FAIL("no room for packet " << i);
    }
    CHECK(link.calendar().full_until - link.calendar().full_from > 1500);
    const Ticks leaves = link.book(kStart, kStart + time, 1250);
    CHECK(leaves > kStart + 798 * kMillisecond);
    CHECK(leaves < kStart + 802 * kMillisecond);
}

TEST_CASE("a ring that is booked to its end refuses, until time has passed") {
    Link link{100'000'000};
    Path path{.time_per_byte = time_per_byte(100'000'000)};
    int passed = 0;
    while (path.send(link, kStart, 1250) != 0) ++passed;
    // 1984 buckets of 2^19 ns, most with room for a bit less than one more packet.
    CHECK(passed > 9'900);
    CHECK(passed < 10'500);
    CHECK(path.send(link, kStart + 10 * kMillisecond, 1250) != 0);
}

TEST_CASE("after a long silence, or a lap of the ring, nothing old is in the way") {
    Link link{10'000'000};
    Path path{.time_per_byte = time_per_byte(10'000'000)};
    const Ticks lap = EDT_CALENDAR_BUCKETS * link.bucket();
    for (int i = 0; i < 50; ++i) {
        const Ticks now = kStart + static_cast<Ticks>(i) * lap;
        for (int k = 1; k <= 20; ++k) {
            CHECK(path.send(link, now, 1250) == now + static_cast<Ticks>(k) * kMillisecond);
        }
    }
}

TEST_CASE("a new rate of the same width keeps the bookings; of another width it forgets them") {
    Link link{1'000'000'000};
    for (int i = 0; i < 1000; ++i) link.book(kStart, kStart, 1250);  // 10 ms
    edt_calendar_reshape(&link.calendar(), time_per_byte(500'000'000));
    CHECK(edt_calendar_book(&link.calendar(), kStart, kStart, kMicrosecond) >
          kStart + 9 * kMillisecond);
    edt_calendar_reshape(&link.calendar(), time_per_byte(1'000'000));
    CHECK(edt_calendar_book(&link.calendar(), kStart, kStart, kMicrosecond) <
          kStart + kMillisecond);
}

TEST_CASE("soon after the machine's start, too, bookings of another width are not met again") {
    Link link{20'000'000};
    Path path{.time_per_byte = time_per_byte(20'000'000)};
    const Ticks change = 6500 * kMillisecond;
    for (Ticks now = 2500 * kMillisecond; now < change; now += kMillisecond / 2) {
        REQUIRE(path.send(link, now, 1250) != 0);
    }
    // Twice as wide: 6.5 s has the number that 3.25 s had before.
    edt_calendar_reshape(&link.calendar(), time_per_byte(10'000'000));
    const Ticks time = 2 * link.time_of(1250);
    for (Ticks now = change; now < 2 * change; now += kMillisecond) {
        REQUIRE(edt_calendar_book(&link.calendar(), now, now + time, time) == now + time);
    }
}
