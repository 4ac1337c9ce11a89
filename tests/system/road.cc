#include "tests/system/road.hh"

namespace pleat::system_test {

bool is_far(const Road& road) {
    return road.one_way > Duration::zero() || road.rate || road.jitter > Duration::zero() ||
           road.loss > 0 || road.duplicated > 0;
}

std::vector<Duration> RoadDraws::next() {
    std::uniform_real_distribution<double> chance{0, 1};
    std::uniform_int_distribution<Duration::rep> more{0, road_.jitter.count()};
    // The same number of draws for each packet: one road with and without loss is comparable.
    const bool lost = chance(random_) < road_.loss;
    const bool doubled = chance(random_) < road_.duplicated;
    const Duration first = road_.one_way + Duration{more(random_)};
    const Duration second = road_.one_way + Duration{more(random_)};
    if (lost) return {};
    if (doubled) return {first, second};
    return {first};
}

}  // namespace pleat::system_test
