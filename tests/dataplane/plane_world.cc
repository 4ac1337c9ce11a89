#include "tests/dataplane/plane_world.hh"

#include <algorithm>

#include "base/overload.hh"
#include "model/epochs.hh"
#include "tests/model/build.hh"

namespace pleat::testing {

PlaneWorld::PlaneWorld(const OpenPlane& open, const std::vector<std::string>& lines)
    : topology_{topology(lines)}, folder_{topology_} {
    plane_ = open(PlaneContext{
        .folder = folder_,
        .addresses = plan_,
        .seed = 1,
        .run = "test",
        .report =
            [this](const PlaneReport& report) {
                std::visit(
                    Overload{[this](const FlowStarted& one) { started_.push_back(one); },
                             [this](const TableActivated& one) { activated_.push_back(one); }},
                    report);
            },
        .loop = loop_});
    for (std::uint32_t i = 0; i < topology_.hosts().size(); ++i) {
        auto made = std::make_unique<TunHost>(plan_, HostId{i});
        plane_->add_host(made->take_port());
        hosts_[topology_.hosts()[i].name] = std::move(made);
    }
    plane_->activate_at(table(lines, 1), monotonic_now());
    await([this] { return !activated_.empty(); });
}

FlowKey PlaneWorld::flow(const std::string& from, const std::string& to) const {
    return {*topology_.find_host(from), *topology_.find_host(to)};
}

std::shared_ptr<const PathTable> PlaneWorld::table(
    const std::vector<std::string>& lines, std::uint32_t version,
    const std::function<void(LinkProperties&)>& edit) const {
    const PathTable base = compute_epochs(scenario(topology(lines))).base;
    std::vector<LinkState> links{base.links().begin(), base.links().end()};
    for (LinkState& link : links) {
        if (edit) edit(link.properties);
    }
    return std::make_shared<PathTable>(
        version, base.epoch(), std::move(links),
        std::vector<PathTable::Tree>{base.trees().begin(), base.trees().end()}, base.partitions());
}

void PlaneWorld::await(const std::function<bool()>& done, Duration limit) {
    const Instant deadline = monotonic_now() + limit;
    while (!done()) {
        if (monotonic_now() > deadline) throw Failure{"the plane did not report in time"};
        loop_.restart();
        loop_.run_for(std::chrono::milliseconds{10});
    }
}

void PlaneWorld::pass(Duration time) {
    loop_.restart();
    loop_.run_for(time);
}

std::shared_ptr<const FlowCounters> PlaneWorld::counters(FlowKey flow) {
    loop_.restart();
    loop_.poll();
    plane_->read_counters(monotonic_now());
    for (const FlowStarted& one : started_) {
        if (one.flow == flow) return one.counters;
    }
    return nullptr;
}

std::vector<Duration> PlaneWorld::ping(const std::string& from, const std::string& to, int count,
                                       Duration interval, bool v6) const {
    const double seconds = std::chrono::duration<double>{interval}.count();
    const TunHost& target = host(to);
    const std::string text =
        host(from).run({"ping", "-n", "-c", std::to_string(count), "-i", std::to_string(seconds),
                        "-W", "2", v6 ? target.address6() : target.address()});
    std::vector<Duration> times;
    const std::string mark = "time=";
    for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark, at + 1)) {
        const double milliseconds = std::stod(text.substr(at + mark.size(), 16));
        times.emplace_back(static_cast<Duration::rep>(milliseconds * 1e6));
    }
    std::ranges::sort(times);
    return times;
}

}  // namespace pleat::testing
