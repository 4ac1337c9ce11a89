#include "node/dataplane/packet_loop.hh"

#include <algorithm>
#include <array>
#include <utility>

#include <sched.h>
#include <sys/epoll.h>

#include "base/realtime.hh"
#include "node/dataplane/precise_thread.hh"
#include "node/dataplane/single_writer.hh"

namespace pleat {

namespace {

constexpr std::uint64_t kCommands = ~std::uint64_t{0};  // a host's id is smaller
constexpr std::uint64_t kTunnel = kCommands - 1;
constexpr DataSize kMostPacketMemory = DataSize::bytes(std::int64_t{1} << 30);
constexpr int kTurnEvents = 32;

void watch(int epoll, int fd, std::uint64_t tag) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = tag;
    check("watch a descriptor of the data plane", ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
}

int wait(int epoll, std::span<epoll_event> events, std::optional<Duration> timeout) {
    timespec time{};
    if (timeout) {
        const auto seconds = std::chrono::floor<std::chrono::seconds>(*timeout);
        time.tv_sec = seconds.count();
        time.tv_nsec = (*timeout - seconds).count();
    }
    const int count = ::epoll_pwait2(epoll, events.data(), static_cast<int>(events.size()),
                                     timeout ? &time : nullptr, nullptr);
    if (count < 0 && errno == EINTR) return 0;
    return check("wait for packets", count);
}

}  // namespace

PacketLoop::PacketLoop(const PathFolder& folder, AddressPlan addresses, std::uint64_t seed,
                       Mailbox<PlaneCommand>& commands, Mailbox<LoopReport>& reports,
                       PlaneTally& tally, std::optional<TunnelSettings> tunnel)
    : addresses_{std::move(addresses)},
      hosts_{folder.topology().hosts().size()},
      folder_{folder},
      commands_{commands},
      reports_{reports},
      tally_{tally},
      pool_{kMostPacketMemory},
      engine_{seed, hosts_, *this},
      epoll_{check("make an epoll set for the data plane", ::epoll_create1(EPOLL_CLOEXEC))},
      tuns_(hosts_) {
    watch(epoll_.value(), commands_.fd(), kCommands);
    if (!tunnel) return;
    tunnel_.emplace(std::move(*tunnel), tally_.tunnel);
    watch(epoll_.value(), tunnel_->fd(), kTunnel);
    for (const TunnelPeer& peer : tunnel_->peers()) {
        for (const HostId host : peer.hosts) engine_.set_remote(host, peer.underlay_latency);
    }
    outside_ = tunnel_->outside();
}

void PacketLoop::run() {
    try {
        make_this_thread_precise();
        const bool urgent = has_realtime_priority();
        while (!stopped_) {
            turn();
            if (urgent) ::sched_yield();  // (4)
        }
    } catch (...) {
        reports_.post(std::current_exception());
    }
}

std::optional<Instant> PacketLoop::next_switch() const {
    if (prepared_.empty()) return std::nullopt;
    return prepared_.front().when;
}

void PacketLoop::turn() {
    const Instant before = monotonic_now();
    std::optional<Instant> deadline;
    if (const auto next = engine_.next()) deadline = std::chrono::ceil<Duration>(*next);
    if (tunnel_ && (!deadline || tunnel_->next() < *deadline)) deadline = tunnel_->next();
    const std::optional<Instant> switching = next_switch();
    const bool important = switching && (!deadline || *switching <= *deadline);
    if (important) deadline = switching;

    std::array<epoll_event, kTurnEvents> events;
    const std::optional<Duration> sleep = planner_.sleep(deadline, before, important);
    const int count = wait(epoll_.value(), events, sleep);
    Instant now = monotonic_now();
    if (count == 0 && sleep && *sleep > Duration::zero()) {
        planner_.overslept(now - (before + *sleep));
    }
    // A packet that woke us had been sent before, by about what waking takes.
    const bool was_asleep = now - before > 2 * planner_.usual_latency();
    Instant arrival = was_asleep ? now - planner_.usual_latency() : now;

    switch_tables(now);
    for (int i = 0; i < count; ++i) {
        const epoll_event& event = events[static_cast<std::size_t>(i)];
        const HostId host{static_cast<std::uint32_t>(event.data.u64)};
        if (event.data.u64 == kCommands) {
            handle_commands();
        } else if (event.data.u64 == kTunnel) {
            tunnel_->receive(now, [this, now](const Tunnel::Arrival& arrived) {
                return accept_remote(arrived, WakePlanner::arrival(now, monotonic_now()));
            });
        } else {
            read_port(host, arrival);
            // The interface is going with its namespace.
            if ((event.events & EPOLLERR) != 0) abandon(host);
        }
        // What is left unread is reported again by the next turn.
        now = arrival = monotonic_now();
        if (const auto at = next_switch(); at && *at <= now) break;
    }
    engine_.advance(now);
    if (tunnel_ && tunnel_->next() <= now) tunnel_->greet(now);
    publish();
}

void PacketLoop::publish() {
    const Engine::Drops& drops = engine_.drops();
    put(tally_.queue_drops, drops.queue);
    put(tally_.loss_drops, drops.loss);
    put(tally_.unreachable_drops, drops.unreachable);
    put(tally_.owed_ns, engine_.owed().count());
}

void PacketLoop::switch_tables(Instant now) {
    while (!prepared_.empty() && prepared_.front().when <= now) {
        Prepared due = std::move(prepared_.front());
        prepared_.erase(prepared_.begin());
        engine_.switch_paths([this, table = due.table.get()](
                                 FlowKey flow) { return flow_shape(folder_, *table, flow); },
                             due.when);
        const Instant actual = monotonic_now();
        reports_.post(TableActivated{.version = due.table->version(),
                                     .epoch = due.table->epoch(),
                                     .planned = due.when,
                                     .actual = actual});
        if (table_) reports_.post(std::move(table_));
        table_ = std::move(due.table);
    }
}

void PacketLoop::flow_started(FlowKey flow, Instant at,
                              const std::shared_ptr<const FlowCounters>& counters) {
    reports_.post(FlowStarted{.flow = flow, .at = at, .counters = counters});
}

void PacketLoop::handle_commands() {
    for (PlaneCommand& received : commands_.take()) {
        std::visit([this](auto& one) { apply(one); }, received);
    }
}

void PacketLoop::apply(command::AddHost& add) {
    const HostId host = add.port.host;
    PLEAT_ASSERT(host.value < hosts_);
    apply(command::RemoveHost{host});
    auto& tun = std::get<TunDevice>(add.port.attachment).descriptor;
    watch(epoll_.value(), tun.value(), host.value);
    tuns_[host.value] = std::move(tun);
    if (add.port.outside) outside_ = host;
    engine_.connect(host);
}

void PacketLoop::apply(const command::RemoveHost& remove) {
    if (!tuns_[remove.host.value].open()) return;
    engine_.cut(remove.host, monotonic_now());
    abandon(remove.host);
}

void PacketLoop::apply(command::Activate& activate) {
    const auto replaced = [&](const Prepared& other) {
        return other.when == activate.when ||
               (other.table->version() == activate.table->version() &&
                other.table->epoch() == activate.table->epoch());
    };
    for (Prepared& other : prepared_) {
        if (replaced(other)) reports_.post(other.table);
    }
    std::erase_if(prepared_, replaced);
    const auto later = std::ranges::upper_bound(prepared_, activate.when, {}, &Prepared::when);
    prepared_.insert(later, Prepared{std::move(activate.table), activate.when});
}

void PacketLoop::apply(const command::SetCaps& set) {
    const Instant now = monotonic_now();
    for (const FlowCap& one : set.caps) engine_.set_cap(one.flow, one.cap, now);
}

void PacketLoop::apply(const command::Cut& cut) {
    engine_.cut(cut.host, monotonic_now());
}

void PacketLoop::apply(const command::Connect& connect) {
    engine_.connect(connect.host);
}

void PacketLoop::apply(const command::SetUnderlayLatency& set) {
    if (!tunnel_) return;
    for (const TunnelPeer& peer : tunnel_->peers()) {
        if (peer.machine != set.machine) continue;
        for (const HostId host : peer.hosts) engine_.set_remote(host, set.latency);
    }
}

void PacketLoop::apply(const command::Stop& /*stop*/) {
    stopped_ = true;
}

// The descriptor may have copies elsewhere, so that closing ours would not end the watch.
void PacketLoop::abandon(HostId host) {
    FileDescriptor& tun = tuns_[host.value];
    if (!tun.open()) return;
    if (outside_ == host) outside_.reset();
    ::epoll_ctl(epoll_.value(), EPOLL_CTL_DEL, tun.value(), nullptr);
    reports_.post(std::move(tun));
}

}  // namespace pleat
