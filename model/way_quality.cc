#include "model/way_quality.hh"

#include <algorithm>
#include <array>
#include <iterator>

namespace pleat {

namespace {

constexpr int kPassedOver = 5;  // one of so many parts
constexpr int kQuarters = 4;

}  // namespace

std::optional<RoundTrips> round_trips_of(std::vector<Duration> measured) {
    if (measured.empty()) return {};
    std::ranges::sort(measured);
    return RoundTrips{.least = measured.front(), .median = measured[(measured.size() - 1) / 2]};
}

std::optional<MeasuredRate> rate_of_burst(std::span<const BurstPiece> pieces) {
    if (pieces.size() < kLeastPieces) return {};
    const Duration first = pieces.front().at;
    const Duration last = pieces.back().at;
    const Duration begin = first + (last - first) / kPassedOver;
    // A piece ends when it comes: between two instants passes what came after the first. The last
    // one before `begin`, so that a gap there counts, too.
    const auto begun = std::prev(std::ranges::find_if(
        pieces.subspan(1), [begin](const BurstPiece& piece) { return piece.at > begin; }));
    const Duration from = begun->at;
    const Duration time = last - from;
    if (time <= Duration::zero()) return {};
    const auto per_second = [](DataSize size, Duration over) {
        return static_cast<double>(size.bytes()) * 8e9 / static_cast<double>(over.count());
    };
    DataSize all = DataSize::bytes(0);
    DataSize largest = DataSize::bytes(0);

    struct Quarter {
        Duration from{};
        Duration to{};
        DataSize size = DataSize::bytes(0);
    };

    std::array<Quarter, kQuarters> quarters;
    quarters.front().from = from;
    std::size_t at = 0;
    for (const BurstPiece& piece : std::span{begun, pieces.end()}.subspan(1)) {
        all += piece.size;
        largest = std::max(largest, piece.size);
        // A quarter is as long as its pieces: it ends with the first one at its end, or behind.
        quarters[at].size += piece.size;
        quarters[at].to = piece.at;
        if (at + 1 < kQuarters &&
            piece.at - from >= time * static_cast<std::int64_t>(at + 1) / kQuarters) {
            quarters[at + 1].from = piece.at;
            ++at;
        }
    }
    double slowest = per_second(all, time);
    double fastest = slowest;
    for (const Quarter& quarter : quarters) {
        if (quarter.to <= quarter.from) continue;
        const double rate = per_second(quarter.size, quarter.to - quarter.from);
        slowest = std::min(slowest, rate);
        fastest = std::max(fastest, rate);
    }
    const double error = std::max((fastest - slowest) / 2, per_second(largest, time));
    return MeasuredRate{.rate = Bandwidth::bits_per_second(std::max<std::int64_t>(
                            1, static_cast<std::int64_t>(per_second(all, time)))),
                        .error_bps = static_cast<std::int64_t>(error)};
}

std::optional<Bandwidth> pace_after(const MeasuredRate& first, DataSize most, Duration time) {
    const auto pace = 2 * (static_cast<double>(first.rate.bits_per_second()) +
                           static_cast<double>(first.error_bps));
    const double bits = pace * std::chrono::duration<double>{time}.count();
    if (bits >= static_cast<double>(most.bytes()) * 8) return {};
    return Bandwidth::bits_per_second(static_cast<std::int64_t>(pace));
}

}  // namespace pleat
