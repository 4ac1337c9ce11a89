#include "tests/dataplane/plane_cases.hh"

#include "tests/dataplane/rate_reading.hh"

namespace pleat::testing {

void check_rate(const Plane& plane, PlaneWorld& world, FlowKey flow, double expected) {
    const double error = plane.rate_error(expected);
    world.await([&] { return world.counters(flow) != nullptr; });
    world.pass(300ms);  // slow start
    // What is not whole packets is to be lost among them.
    const std::chrono::duration<double> packets{400 * 1514 * 8 / expected};
    const Duration window =
        std::clamp<Duration>(std::chrono::ceil<Duration>(packets), 300ms, 500ms);
    bool filled = false;
    for (int i = 0; i < 20 && !filled; ++i) {
        const RateReading reading{world.plane(), world.counters(flow)};
        world.pass(window);
        world.counters(flow);
        const auto [rate, full] = reading.result();
        filled = full;
        INFO(expected << " bit/s expected, " << rate << " seen");
        CHECK(rate < (1.0 + error) * expected);
        if (filled) CHECK(rate == Approx(expected).epsilon(error));
    }
    // Nothing was proved otherwise: the sender never kept the queue filled.
    REQUIRE(filled);
}

void change_to(PlaneWorld& world, const std::vector<std::string>& lines,
               const std::function<void(LinkProperties&)>& edit) {
    const std::size_t before = world.activated().size();
    const auto version = static_cast<std::uint32_t>(before + 1);
    world.plane().activate_at(world.table(lines, version, edit), monotonic_now());
    world.await([&] { return world.activated().size() > before; });
}

}  // namespace pleat::testing
