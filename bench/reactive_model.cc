#include "bench/reactive_model.hh"

#include <algorithm>
#include <cmath>

namespace pleat::bench {

namespace {

constexpr Duration kLoop = std::chrono::milliseconds{50};
constexpr Duration kMessageDelay = std::chrono::milliseconds{1};
constexpr double kWorthTelling = 0.05;
constexpr double kSmoothing = 0.75;  // of the share before

double bits_per_second(Bandwidth bandwidth) {
    return static_cast<double>(bandwidth.bits_per_second());
}

double inverse_rtt(const Path& path) {
    return 1e9 / static_cast<double>(path.rtt.count());
}

}  // namespace

ReactiveModel::ReactiveModel(testing::SimulatedTraffic& traffic, const std::vector<FlowKey>& flows,
                             std::uint64_t seed)
    : traffic_{traffic}, known_(flows.size(), 0.0) {
    std::mt19937_64 random{seed};
    const PathTable& table = *traffic.first_table();
    for (const FlowKey flow : flows) {
        Core core;
        core.flow = flow;
        core.path = traffic.folder().fold(table, flow.source, flow.destination).value();
        core.next_loop = traffic.clock() + std::chrono::milliseconds{10 * (1 + random() % 5)};
        core.share = bits_per_second(core.path.bandwidth);
        for (const LinkId link : core.path.links) {
            cores_of_link_[link].push_back(cores_.size());
            capacity_[link] = bits_per_second(table.link(link).properties.bandwidth);
        }
        cores_.push_back(std::move(core));
    }
}

void ReactiveModel::tick() {
    deliver();
    for (std::size_t i = 0; i < cores_.size(); ++i) {
        if (traffic_.clock() < cores_[i].next_loop) continue;
        cores_[i].next_loop += kLoop;
        loop(i);
    }
}

void ReactiveModel::loop(std::size_t index) {
    Core& core = cores_[index];
    const std::uint64_t bytes =
        traffic_.has(core.flow) ? traffic_.counters(core.flow).bytes.load() : 0;
    const double seconds = static_cast<double>(kLoop.count()) * 1e-9;
    core.throughput = static_cast<double>(bytes - core.bytes) * 8.0 / seconds;
    core.bytes = bytes;
    const bool moved = std::abs(core.throughput - core.told) > kWorthTelling * core.told;
    if (moved) {
        core.told = core.throughput;
        ++messages_;
        on_the_way_.push({traffic_.clock() + kMessageDelay, index, core.throughput});
    }
    if ((moved || core.news) && core.throughput > 0.0) compute(core);
    core.news = false;
}

void ReactiveModel::deliver() {
    while (!on_the_way_.empty() && on_the_way_.front().at <= traffic_.clock()) {
        const Message& message = on_the_way_.front();
        known_[message.core] = message.throughput;
        for (Core& core : cores_) {
            if (&core != &cores_[message.core]) core.news = true;
        }
        on_the_way_.pop();
    }
}

// Kollaps' calculate_bandwidth(), for the one path of the core.
void ReactiveModel::compute(Core& core) {
    double best = bits_per_second(core.path.bandwidth);
    const double ours = inverse_rtt(core.path);
    for (const LinkId link : core.path.links) {
        const double capacity = capacity_.at(link);
        double sum = ours;
        const auto others = [&](const auto& act) {
            for (const std::size_t i : cores_of_link_.at(link)) {
                if (&cores_[i] != &core && known_[i] > 0.0) {
                    act(inverse_rtt(cores_[i].path), known_[i]);
                }
            }
        };
        others([&sum](double weight, double) { sum += weight; });
        const double fair = ours / sum * capacity;
        double spare = capacity - fair;
        double hungry = fair / capacity;
        others([&](double weight, double used) {
            const double theirs = weight / sum * capacity;
            spare -= std::min(used, theirs);
            if (used > theirs) hungry += theirs / capacity;
        });
        best = std::min(best, std::max(fair, fair + fair / capacity / hungry * spare));
    }
    core.share = best <= core.share ? best : kSmoothing * core.share + (1.0 - kSmoothing) * best;
    traffic_.set_cap(core.flow, Bandwidth::bits_per_second(
                                    std::max<std::int64_t>(1000, std::llround(core.share))));
}

}  // namespace pleat::bench
