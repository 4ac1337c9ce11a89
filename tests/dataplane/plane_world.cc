#include "tests/dataplane/plane_world.hh"

#include <algorithm>
#include <atomic>
#include <exception>
#include <thread>
#include <utility>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <fcntl.h>

#include "base/overload.hh"
#include "model/epochs.hh"
#include "tests/model/build.hh"

namespace pleat::testing {

PlaneWorld::PlaneWorld(const OpenPlane& open, const std::vector<std::string>& lines,
                       const PlaneWorldOptions& options)
    : topology_{topology(lines)}, folder_{topology_} {
    const auto local_hosts = static_cast<std::size_t>(std::ranges::count_if(
        topology_.hosts(), [&options](const Host& one) { return options.local(one.name); }));
    plane_ = open(context(local_hosts));
    if (plane_->attaches_to() == AttachmentKind::kernel_interface) {
        underlay_ = std::make_unique<Underlay>();
    }
    for (std::uint32_t i = 0; i < topology_.hosts().size(); ++i) {
        const std::string& name = topology_.hosts()[i].name;
        if (!options.local(name)) continue;
        auto made = std::make_unique<TestHost>(plan_, HostId{i}, underlay_.get(),
                                               topology_.find_host(options.outside));
        options.prepare(*made);
        HostPort port = made->take_port();
        if (auto* const at = std::get_if<KernelInterface>(&port.attachment)) {
            at->takeover = options.takeover;
        }
        try {
            plane_->add_host(std::move(port));
        } catch (const Failure&) {
            options.refused(*made);
            throw;
        }
        hosts_[name] = std::move(made);
    }
    first_table_ = {table(lines, 1), monotonic_now()};
    plane_->activate_at(first_table_.table, first_table_.when);
    await([this] { return !activated_.empty(); });
    await([this] {
        return std::ranges::all_of(hosts_,
                                   [](const auto& one) { return one.second->has_ipv6_route(); });
    });
}

PlaneContext PlaneWorld::context(std::size_t local_hosts) {
    return PlaneContext{
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
        .loop = loop_,
        .local_hosts = local_hosts};
}

void PlaneWorld::kill_plane() {
    for (const auto& [name, descriptor] : plane_->leaves()) {
        left_[name] =
            FileDescriptor{check("copy a descriptor", ::fcntl(descriptor, F_DUPFD_CLOEXEC, 0))};
    }
    plane_.reset();
}

void PlaneWorld::take_over(const OpenPlane& open, const std::vector<Activation>& tables) {
    started_.clear();
    activated_.clear();
    PlaneContext with = context(hosts_.size());
    with.left = std::exchange(left_, {});
    plane_ = open(std::move(with));
    for (const auto& [name, host] : hosts_) {
        const HostId id = *topology_.find_host(name);
        FileDescriptor space{
            check("copy a descriptor", ::fcntl(host->network_namespace(), F_DUPFD_CLOEXEC, 0))};
        plane_->add_host(
            HostPort{.host = id,
                     .attachment = KernelInterface{.network_namespace = std::move(space),
                                                   .name = TestHost::kInterface},
                     .ipv4 = plan_.ipv4(id),
                     .ipv6 = plan_.ipv6(id)});
    }
    for (const Activation& one : tables) plane_->activate_at(one.table, one.when);
}

void PlaneWorld::destroy_host(const std::string& name) {
    // The plane may hold the namespace itself; then it is the device that goes.
    if (underlay_) remove_interface(name);
    hosts_.erase(name);
}

void PlaneWorld::remove_interface(const std::string& name) {
    PLEAT_ASSERT(underlay_ != nullptr);
    host(name).links().remove(TestHost::kInterface);
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
    const auto working = boost::asio::make_work_guard(loop_);  // also when there is no plane
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

void PlaneWorld::beside(const std::function<void()>& action, Duration period,
                        const std::function<void()>& change) {
    std::exception_ptr failed;
    std::atomic<bool> done{false};
    std::jthread thread{[&] {
        try {
            action();
        } catch (...) {
            failed = std::current_exception();
        }
        done = true;
        boost::asio::post(loop_, [] {});  // wakes it
    }};
    Instant next = monotonic_now() + period;
    while (!done) {
        loop_.restart();
        const auto working = boost::asio::make_work_guard(loop_);
        loop_.run_one_for(std::max(next - monotonic_now(), Duration::zero()));
        if (monotonic_now() < next) continue;
        change();
        next += period;
    }
    thread.join();
    if (failed) std::rethrow_exception(failed);
}

std::vector<StreamResult> PlaneWorld::exchange(const std::vector<Stream>& streams,
                                               Duration patience) {
    std::vector<StreamResult> results;
    beside([&] { results = testing::exchange(streams, patience); });
    return results;
}

std::vector<Duration> PlaneWorld::ping(const std::string& from, const std::string& to, int count,
                                       Duration interval, bool v6, Duration patience) {
    const TestHost& target = host(to);
    std::vector<Duration> times;
    beside([&] {
        times = testing::ping(Echoes{.from = &host(from),
                                     .address = v6 ? target.address6() : target.address(),
                                     .count = count,
                                     .interval = interval},
                              patience);
    });
    return times;
}

void PlaneWorld::set_mtu(std::uint32_t bytes) const {
    PLEAT_ASSERT(underlay_ != nullptr);
    Links ports{underlay_->network_namespace()};
    for (const auto& [name, host] : hosts_) {
        host->links().set_mtu(TestHost::kInterface, bytes);
        ports.set_mtu("port" + std::to_string(topology_.find_host(name)->value), bytes);
    }
}

}  // namespace pleat::testing
