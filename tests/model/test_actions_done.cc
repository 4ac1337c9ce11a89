// What past events have left hosts as.
#include <algorithm>
#include <array>
#include <random>
#include <ranges>

#include <catch2/catch.hpp>

#include "model/actions_done.hh"
#include "tests/model/build.hh"

using namespace pleat;
using namespace pleat::testing;
using namespace std::chrono_literals;

TEST_CASE("of each host the last action that matters counts") {
    using Kind = HostAction::Kind;
    constexpr std::array kKinds{Kind::start, Kind::stop,   Kind::crash,
                                Kind::pause, Kind::resume, Kind::restart};
    std::mt19937 random{1};
    std::size_t crashed = 0;
    for (int round = 0; round < 500; ++round) {
        std::vector<TimedEvent> events;
        const std::size_t count = random() % 12;
        for (std::size_t i = 0; i < count; ++i) {
            const HostId host{static_cast<std::uint32_t>(random() % 3)};
            events.push_back(event(i * 1s, HostAction{kKinds.at(random() % kKinds.size()), host}));
        }
        const ActionsDone done = actions_done(events);
        // Looked for from the end, where the function goes from the beginning.
        for (std::uint32_t id = 0; id < 3; ++id) {
            const auto last = [&](std::initializer_list<Kind> of) {
                for (const TimedEvent& each : std::ranges::reverse_view{events}) {
                    const auto& action = std::get<HostAction>(each.event);
                    if (action.host == HostId{id} && std::ranges::count(of, action.kind) > 0) {
                        return action.kind;
                    }
                }
                return Kind::start;
            };
            const Kind for_cut = last({Kind::start, Kind::restart, Kind::crash});
            const Kind for_end = last({Kind::start, Kind::restart, Kind::crash, Kind::stop});
            CHECK(done.cut.contains(HostId{id}) == (for_cut == Kind::crash));
            CHECK(done.ended.contains(HostId{id}) ==
                  (for_end == Kind::crash || for_end == Kind::stop));
            crashed += done.cut.size();
        }
    }
    CHECK(crashed > 0);
}
