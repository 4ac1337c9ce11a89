// The tunnel without a socket: what counts as seen, as genuine, as whole; how two ends find each
// other.
#include <algorithm>
#include <random>
#include <set>

#include <catch2/catch.hpp>

#include "tests/dataplane/tunnel_ends.hh"

using namespace pleat;
using namespace pleat::testing;
using namespace std::chrono_literals;
using Verdict = PeerLink::Verdict;

TEST_CASE("the replay window agrees with a set of all that was seen") {
    std::mt19937_64 random{1};
    for (int round = 0; round < 30; ++round) {
        ReplayWindow window;
        std::set<std::uint64_t> seen;
        std::uint64_t middle = round % 3 == 0 ? 0 : random() >> (random() % 64);
        std::size_t late = 0;
        for (int step = 0; step < 20'000; ++step) {
            if (random() % 200 == 0) middle += random() % (3 * ReplayWindow::kSpan);
            if (random() % 3 == 0) ++middle;
            const std::uint64_t back = random() % (random() % 2 == 0 ? 64 : 9000);
            const std::uint64_t counter = middle >= back ? middle - back : middle;
            const ReplayWindow::Verdict verdict = window.look(counter);
            if (seen.contains(counter)) {
                REQUIRE(verdict != ReplayWindow::Verdict::fresh);
            } else if (seen.empty() || counter > *seen.rbegin() ||
                       *seen.rbegin() - counter < ReplayWindow::kSpan) {
                REQUIRE(verdict == ReplayWindow::Verdict::fresh);
            } else {
                REQUIRE(verdict == ReplayWindow::Verdict::late);
                ++late;
            }
            if (verdict == ReplayWindow::Verdict::fresh && random() % 8 != 0) {
                window.accept(counter);
                seen.insert(counter);
            }
        }
        CHECK(late > 0);
    }
}

TEST_CASE("the replay window begins anywhere, and reaches the end of the numbers") {
    constexpr std::uint64_t kLast = ~std::uint64_t{0};
    for (const std::uint64_t counter : {std::uint64_t{0}, std::uint64_t{1} << 40U, kLast}) {
        ReplayWindow window;
        CHECK(window.look(counter) == ReplayWindow::Verdict::fresh);
        window.accept(counter);
        CHECK(window.look(counter) == ReplayWindow::Verdict::replayed);
        if (counter > 0) CHECK(window.look(counter - 1) == ReplayWindow::Verdict::fresh);
    }
}

TEST_CASE("a header is read as it was written, and nonsense is refused") {
    std::mt19937_64 random{2};
    for (int round = 0; round < 1000; ++round) {
        const auto count = static_cast<std::uint8_t>(1 + random() % 255);
        const auto index = static_cast<std::uint8_t>(random() % count);
        const DatagramHeader header{
            .kind = random() % 2 == 0 ? DatagramKind::data : DatagramKind::sealed_data,
            .index = index,
            .count = count,
            .sender = static_cast<MachineNumber>(random()),
            .fragment_bytes = 100,
            .counter = random() | 0xff};
        Datagram datagram(100 + kDatagramOverhead);
        write_header(header, datagram.data());
        CHECK(read_header(datagram) == header);
        datagram.push_back(0);
        CHECK_FALSE(read_header(datagram));  // more than a fragment
        datagram.resize(99 + kDatagramOverhead);
        CHECK(read_header(datagram).has_value() == (index + 1 == count));
        datagram.resize(kDatagramOverhead);
        CHECK_FALSE(read_header(datagram));
    }
    Datagram datagram(100 + kDatagramOverhead);
    write_header({.index = 3, .count = 3, .fragment_bytes = 100, .counter = 9}, datagram.data());
    CHECK_FALSE(read_header(datagram));
    write_header({.index = 2, .count = 3, .fragment_bytes = 100, .counter = 1}, datagram.data());
    CHECK_FALSE(read_header(datagram));  // its message would have begun before zero
    CHECK_FALSE(read_header({}));
}

TEST_CASE("messages of every size arrive as they were, plain and encrypted") {
    std::mt19937_64 random{3};
    for (const bool encrypt : {false, true}) {
        TunnelEnds world{encrypt};
        world.greet();
        for (const std::size_t bytes :
             {1UL, 2UL, 100UL, 1199UL, 1200UL, 1201UL, 1440UL, 9000UL, kMostMessageBytes}) {
            const Datagram message = random_message(random, bytes);
            for (const Datagram& one : world.pack(0, message)) {
                const bool readable =
                    bytes >= 100 && !std::ranges::search(one, std::span{message}.first(50)).empty();
                CHECK_FALSE((encrypt && readable));
                CHECK(world.come(1, one) == Verdict::genuine);
            }
            REQUIRE(world.messages[1].size() == 1);
            CHECK(world.messages[1][0] == message);
            world.messages[1].clear();
        }
    }
}

TEST_CASE("a datagram of which one bit is changed is forged, wherever the bit is") {
    std::mt19937_64 random{4};
    for (const bool encrypt : {false, true}) {
        TunnelEnds world{encrypt};
        world.greet();
        const Datagram genuine = world.pack(0, random_message(random, 200)).at(0);
        for (std::size_t bit = 0; bit < genuine.size() * 8; ++bit) {
            Datagram changed = genuine;
            changed[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
            const Verdict verdict = world.come(1, changed);
            CHECK((verdict == Verdict::forged || verdict == Verdict::malformed));
        }
        for (std::size_t bytes = 0; bytes < genuine.size(); ++bytes) {
            const Verdict verdict = world.come(
                1, {genuine.begin(), genuine.begin() + static_cast<std::ptrdiff_t>(bytes)});
            CHECK((verdict == Verdict::forged || verdict == Verdict::malformed));
        }
        CHECK(world.messages[1].empty());
        CHECK(world.come(1, genuine) == Verdict::genuine);  // none of it did harm
        CHECK(world.come(1, genuine) == Verdict::replayed);
        // Sent back to where it came from.
        CHECK(world.come(0, genuine) == Verdict::forged);
        CHECK(world.messages[1].size() == 1);
    }
}

TEST_CASE("through loss, duplicates and reordering messages arrive whole, once, or not at all") {
    std::mt19937_64 random{5};
    TunnelEnds world;
    world.greet();
    std::vector<Datagram> under_way;
    std::set<Datagram> messages;
    std::size_t lost = 0;
    std::size_t begun = 0;  // of the lost
    std::size_t replayed = 0;
    const auto deliver_one = [&] {
        const std::size_t which = random() % under_way.size();
        const Verdict verdict = world.come(1, under_way[which]);
        if (verdict == Verdict::replayed) ++replayed;
        REQUIRE((verdict == Verdict::genuine || verdict == Verdict::replayed));
        if (random() % 10 == 0) return;  // and once more, later
        under_way.erase(under_way.begin() + static_cast<std::ptrdiff_t>(which));
    };
    for (int i = 0; i < 500; ++i) {
        const Datagram message = random_message(random, 16 + random() % 20'000);
        messages.insert(message);
        bool whole = true;
        bool any = false;
        for (Datagram& one : world.pack(0, message)) {
            if (random() % 100 == 0) {
                whole = false;
            } else {
                under_way.push_back(std::move(one));
                any = true;
            }
        }
        if (!whole) ++lost;
        if (!whole && any) ++begun;
        while (under_way.size() > 60) deliver_one();
        world.now += 1ms;
    }
    while (!under_way.empty()) deliver_one();
    CHECK(lost > 20);
    CHECK(replayed > 100);
    for (const Datagram& one : world.messages[1]) CHECK(messages.erase(one) == 1);
    CHECK(messages.size() == lost);
    world.now += 1s;
    world.ends[1]->reassembly().expire(world.now);
    CHECK(world.ends[1]->reassembly().partial() == 0);
    CHECK(world.ends[1]->reassembly().take_given_up() == begun);
}

TEST_CASE("incomplete messages take no more memory than is said") {
    Reassembly reassembly;
    const Datagram body(1000);
    for (std::uint64_t i = 0; i < 10'000; ++i) {
        CHECK_FALSE(
            reassembly.add({.index = 0, .count = 60, .fragment_bytes = 1000, .counter = i * 100},
                           body, Instant{1s}));
        REQUIRE(reassembly.partial() <= Reassembly::kMostPartial);
    }
    CHECK(reassembly.take_given_up() == 10'000 - Reassembly::kMostPartial);
    // A message that would be longer than any is nothing.
    reassembly.clear();
    CHECK_FALSE(reassembly.add({.index = 0, .count = 255, .fragment_bytes = 1000, .counter = 0},
                               body, Instant{1s}));
    CHECK(reassembly.partial() == 0);
    // Nor are fragments that contradict each other.
    reassembly.add({.index = 0, .count = 3, .fragment_bytes = 1000, .counter = 500}, body,
                   Instant{1s});
    CHECK_FALSE(reassembly.add({.index = 1, .count = 2, .fragment_bytes = 1000, .counter = 501},
                               body, Instant{1s}));
    CHECK(reassembly.partial() == 1);
}

TEST_CASE("a message whose fragments do not come in time is given up") {
    Reassembly reassembly;
    const Datagram body(10);
    const DatagramHeader first{.index = 0, .count = 2, .fragment_bytes = 10, .counter = 0};
    const DatagramHeader second{.index = 1, .count = 2, .fragment_bytes = 10, .counter = 1};
    reassembly.add(first, body, Instant{1s});
    CHECK(reassembly.add(second, body, Instant{1s + 199ms}));
    reassembly.add(first, body, Instant{2s});
    reassembly.expire(Instant{2s + 200ms});
    CHECK_FALSE(reassembly.add(second, body, Instant{2s + 200ms}));
    CHECK(reassembly.take_given_up() == 1);
}

TEST_CASE("two ends find each other, whoever begins and whatever is lost") {
    std::mt19937_64 random{6};
    for (int round = 0; round < 100; ++round) {
        TunnelEnds world;
        CHECK(world.pack(0, Datagram(10)).empty());
        const int loss = static_cast<int>(random() % 60);
        world.greet(4s, [&](const Datagram&) { return static_cast<int>(random() % 100) >= loss; });
        REQUIRE(world.ends[0]->ready());
        REQUIRE(world.ends[1]->ready());
        for (std::size_t from = 0; from < 2; ++from) {
            for (const Datagram& one : world.pack(from, random_message(random, 3000))) {
                CHECK(world.come(1 - from, one) == Verdict::genuine);
            }
            CHECK(world.messages[1 - from].size() == 1);
        }
    }
}

TEST_CASE("an end with another key is never heard") {
    TunnelEnds world{false, TunnelKey{8}};
    world.greet(1s, [](const Datagram&) { return true; });
    CHECK_FALSE(world.ends[0]->ready());
    CHECK_FALSE(world.ends[1]->ready());
    CHECK(world.pack(0, Datagram(10)).empty());
}

TEST_CASE("an end that starts anew is found again, and what was recorded before is worth nothing") {
    TunnelEnds world;
    world.greet();
    const auto old_hellos = world.history;
    const Datagram old_data = world.pack(0, Datagram(100)).at(0);
    CHECK(world.come(1, old_data) == Verdict::genuine);

    for (const std::size_t which : {1UL, 0UL}) {
        world.restart(which);
        CHECK(world.come(1, old_data) != Verdict::genuine);
        // Who listens to recorded hellos does not take up the old session.
        for (const auto& [from, datagram] : old_hellos) world.come(1 - from, datagram);
        world.sent.clear();
        CHECK(world.come(1, old_data) != Verdict::genuine);
        world.greet(6s, [](const Datagram&) { return true; });
        REQUIRE(world.ends[0]->ready());
        REQUIRE(world.ends[1]->ready());
        for (const auto& [from, datagram] : old_hellos) world.come(1 - from, datagram);
        world.sent.clear();
        CHECK(world.come(1, old_data) != Verdict::genuine);
        for (std::size_t from = 0; from < 2; ++from) {
            for (const Datagram& one : world.pack(from, Datagram(100))) {
                CHECK(world.come(1 - from, one) == Verdict::genuine);
            }
        }
    }
}

TEST_CASE("datagrams become as large as the way carries, and smaller when it narrows") {
    for (const std::size_t way : {1300UL, 1472UL, 8972UL, kMostDatagramBytes}) {
        TunnelEnds world;
        std::size_t widest = way;
        const auto passes = [&widest](const Datagram& one) { return one.size() <= widest; };
        world.greet(200ms, passes);
        const std::size_t found = world.ends[0]->datagram_bytes(world.now);
        CHECK(found <= way);
        const auto sizes = probe_sizes(false);
        CHECK(found == *(std::ranges::upper_bound(sizes, way) - 1));
        for (const Datagram& one : world.pack(0, Datagram(20'000))) CHECK(one.size() <= way);

        widest = 1252;
        world.greet(30s, passes);
        CHECK(world.ends[0]->datagram_bytes(world.now) == 1252);
        // A socket that refuses says it at once.
        widest = 1472;
        world.greet(10s, passes);
        CHECK(world.ends[0]->datagram_bytes(world.now) == 1472);
        world.ends[0]->refused(1472);
        CHECK(world.ends[0]->datagram_bytes(world.now) == 1464);
    }
}

TEST_CASE(
    "the way is measured by hellos and their answers, without what either end lets them wait") {
    TunnelEnds world;
    world.waited = 70ms;
    for (int i = 0; i < 12; ++i) {
        for (std::size_t from = 0; from < 2; ++from) {
            const Instant asked = world.now;
            for (const Datagram& hello : world.ends[from]->hellos(world.now)) {
                world.now = asked + 2ms + world.waited;  // there
                world.come(1 - from, hello);
                world.now += 3ms + world.waited;  // and back
                const auto answers = std::exchange(world.sent, {});
                for (const auto& [to, answer] : answers) world.come(1 - to, answer);
                world.sent.clear();
            }
            world.now = asked + 1s;
        }
        CHECK(world.ends[0]->round_trip().has_value() == (i >= 9));
    }
    CHECK(world.ends[0]->round_trip() == 5ms);
    CHECK(world.ends[1]->round_trip() == 5ms);
}

TEST_CASE("answers that are repeated measure nothing") {
    TunnelEnds world;
    world.greet();
    REQUIRE_FALSE(world.ends[0]->round_trip());  // too few
    const auto recorded = world.history;
    for (int i = 0; i < 100; ++i) {
        world.now += 10ms;
        for (const auto& [from, datagram] : recorded) world.come(1 - from, datagram);
    }
    CHECK_FALSE(world.ends[0]->round_trip());
    CHECK_FALSE(world.ends[1]->round_trip());
}

TEST_CASE("the way goes on being measured, by one small hello a second, and sizes less often") {
    TunnelEnds world;
    world.greet(10s, [](const Datagram& one) { return one.size() <= 1472; });
    CHECK(world.ends[0]->round_trip() == 0ms);
    world.history.clear();
    world.greet(20s, [](const Datagram& one) { return one.size() <= 1472; });
    const auto of_size = [&world](std::size_t bytes) {
        return std::ranges::count_if(world.history, [bytes](const TunnelEnds::Sent& one) {
            return one.from == 0 && one.datagram.size() == bytes;
        });
    };
    CHECK(of_size(1472) == 4);
    // Answers, too: to the other's 20, and its four rounds of five sizes.
    CHECK(of_size(kLeastHelloBytes) == 20 + 20 + 4 * 5);
}

TEST_CASE("no more hellos are answered than said") {
    TunnelEnds world;
    world.greet();
    std::size_t answers = 0;
    for (int i = 0; i < 1000; ++i) {
        for (const Datagram& hello : world.ends[0]->hellos(world.now)) world.come(1, hello);
        answers += std::exchange(world.sent, {}).size();
    }
    CHECK(answers <= Greeting::kMostAnswers);
}
