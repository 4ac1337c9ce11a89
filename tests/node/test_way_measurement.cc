// Two ends measure the way between them, over the loopback.
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

#include "node/run_tunnel.hh"
#include "node/way_measurement.hh"

using namespace pleat;
using namespace std::chrono_literals;

namespace {

struct Ends {
    // Each end has its own key; true when what is asked for came in time.
    void begin(std::size_t end, std::uint8_t key, bool rates) {
        measuring[end] = std::make_unique<WayMeasurement>(
            loop, std::move(sockets[end]),
            WayToMeasure{.peer = end == 0 ? "b" : "a",
                         .endpoint = ways[1 - end],
                         .key = {key},
                         .leads = end == 0,
                         .rates = rates},
            [this, end](Result<WayQuality> ended) { results[end] = std::move(ended); });
    }

    bool run_until_told(std::size_t end) {
        const Instant deadline = monotonic_now() + 20s;
        while (!results[end] && monotonic_now() < deadline) loop.run_one_for(100ms);
        return results[end].has_value();
    }

    boost::asio::io_context loop;
    // A daemon's loop never runs out of work.
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{
        boost::asio::make_work_guard(loop)};
    std::array<FileDescriptor, 2> sockets{open_tunnel_end("", {}), open_tunnel_end("", {})};
    std::array<boost::asio::ip::udp::endpoint, 2> ways{tunnel_endpoint(sockets[0]),
                                                       tunnel_endpoint(sockets[1])};
    std::array<std::optional<Result<WayQuality>>, 2> results;
    std::array<std::unique_ptr<WayMeasurement>, 2> measuring;
};

}  // namespace

TEST_CASE("two ends find round trip, size and rate of the way between them") {
    Ends ends;
    ends.begin(1, 7, true);
    ends.begin(0, 7, true);
    REQUIRE(ends.run_until_told(0));
    REQUIRE(*ends.results[0]);
    const WayQuality& quality = **ends.results[0];
    CHECK(quality.round_trips.least > 0ms);
    CHECK(quality.round_trips.median >= quality.round_trips.least);
    CHECK(quality.mtu == DataSize::bytes(65535));  // the loopback's, within IPv4
    REQUIRE(quality.there);
    REQUIRE(quality.back);
    CHECK(quality.there->rate > Bandwidth::bits_per_second(1'000'000));
    CHECK(quality.back->rate > Bandwidth::bits_per_second(1'000'000));
    REQUIRE(ends.run_until_told(1));  // it was told goodbye
}

TEST_CASE("without rates there is no burst") {
    Ends ends;
    ends.begin(0, 7, false);
    ends.begin(1, 7, false);
    REQUIRE(ends.run_until_told(0));
    REQUIRE(*ends.results[0]);
    CHECK_FALSE((*ends.results[0])->there);
    CHECK_FALSE((*ends.results[0])->back);
}

TEST_CASE("an end that has another key does not take part, and the reason is told") {
    Ends ends;
    ends.begin(1, 8, true);
    ends.begin(0, 7, true);
    REQUIRE(ends.run_until_told(0));
    REQUIRE_FALSE(*ends.results[0]);
    CHECK(ends.results[0]->error().message.find("no answer from b") == 0);
    CHECK(ends.results[0]->error().message.find("firewall") != std::string::npos);
    // The other one would wait for long: it gives up at once when it is destroyed.
    const Instant before = monotonic_now();
    ends.measuring[1].reset();
    CHECK(monotonic_now() - before < 2s);
    CHECK_FALSE(ends.results[1]);
}

TEST_CASE("without a socket there is nothing to measure with") {
    Ends ends;
    ends.sockets[0] = {};
    CHECK_THROWS_AS(ends.begin(0, 7, true), Failure);
}
