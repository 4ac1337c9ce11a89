#include <catch2/catch.hpp>

#include "node/dataplane/edt/counters.hh"
#include "node/dataplane/edt/rows.hh"

using namespace std::chrono_literals;

namespace pleat {
namespace {

using namespace literals;

constexpr Instant kNow{10s};

std::uint64_t ns(Instant at) {
    return static_cast<std::uint64_t>(at.time_since_epoch().count());
}

// Ten packets of 1000 bytes at 8 Mbps: each takes a millisecond. `ahead` of them are not sent.
edt_counters ten_packets(int ahead) {
    edt_counters path{};
    path.bytes = 10'000;
    path.packets = 10;
    path.time_per_byte = time_per_byte(8_Mbps);
    path.last_arrival_ns = ns(kNow - 1ms);
    path.next_free_ns = ns(kNow + ahead * 1ms);
    return path;
}

TEST_CASE("when the clock has sent everything, the flow has what the program counted") {
    FlowCounters flow;
    bring_up_to_date(flow, ten_packets(-1), kNow);
    CHECK(flow.bytes == 10'000);
    CHECK(flow.packets == 10);
    CHECK(flow.queued_bytes == 0);
    CHECK(flow.last_arrival_ns == (kNow - 1ms).time_since_epoch().count());
}

TEST_CASE("what the clock has not sent yet has not departed") {
    FlowCounters flow;
    bring_up_to_date(flow, ten_packets(4), kNow);
    CHECK(flow.bytes == 6'000);
    CHECK(flow.packets == 6);
    CHECK(flow.queued_bytes == 4'000);
    bring_up_to_date(flow, ten_packets(4), kNow + 1500us);
    CHECK(flow.bytes == 7'500);
    CHECK(flow.packets == 7);  // the eighth is under way
}

TEST_CASE("an unlimited path has no queue, wherever its clock stands") {
    edt_counters path = ten_packets(5);
    path.time_per_byte = 0;
    FlowCounters flow;
    bring_up_to_date(flow, path, kNow);
    CHECK(flow.bytes == 10'000);
    CHECK(flow.queued_bytes == 0);
}

TEST_CASE("departed bytes never go back, whatever a change of rate makes of the queue") {
    FlowCounters flow;
    edt_counters path = ten_packets(4);
    bring_up_to_date(flow, path, kNow);
    path.time_per_byte = time_per_byte(80_Mbps);  // 4 ms are 40,000 bytes now
    bring_up_to_date(flow, path, kNow);
    CHECK(flow.bytes == 6'000);
    CHECK(flow.queued_bytes == 10'000);  // no more than it ever accepted
}

TEST_CASE("waiting that lies ahead is not past, and goes on while it does") {
    edt_counters path = ten_packets(4);
    path.waited_ns = 20'000'000;
    path.waited_until_ns = ns(kNow + 3ms);
    FlowCounters flow;
    bring_up_to_date(flow, path, kNow);
    CHECK(flow.waited_ns == 17'000'000);
    CHECK(flow.waiting_since_ns == kNow.time_since_epoch().count());
    bring_up_to_date(flow, path, kNow + 5ms);
    CHECK(flow.waited_ns == 20'000'000);
    CHECK(flow.waiting_since_ns == 0);
}

TEST_CASE("drops are told by their cause") {
    edt_counters path{};
    path.queue_drops = 1;
    path.loss_drops = 2;
    path.unreachable_drops = 3;
    FlowCounters flow;
    bring_up_to_date(flow, path, kNow);
    CHECK(flow.queue_drops == 1);
    CHECK(flow.loss_drops == 2);
    CHECK(flow.unreachable_drops == 3);
}

TEST_CASE("a flow is long idle a second after its last packet, when nothing is queued") {
    const edt_counters path = ten_packets(4);
    CHECK_FALSE(long_idle(path, kNow));
    CHECK_FALSE(long_idle(path, kNow + 999ms));
    CHECK(long_idle(path, kNow + 1001ms));
    edt_counters slow = path;
    slow.next_free_ns = ns(kNow + 60s);
    CHECK_FALSE(long_idle(slow, kNow + 30s));
}

}  // namespace
}  // namespace pleat
