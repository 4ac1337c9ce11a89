#include "node/dataplane/tun_plane.hh"

#include <thread>
#include <utility>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <pthread.h>

#include "base/lifeline.hh"
#include "base/overload.hh"
#include "node/dataplane/packet_loop.hh"

namespace pleat {

namespace {

class TunPlane final : public DataPlane {
  public:
    explicit TunPlane(PlaneContext context)
        : report_{std::move(context.report)},
          machines_{machines(context.tunnel)},
          tally_{machines_.size()},
          packet_loop_{context.folder, context.addresses,        context.seed, commands_, reports_,
                       tally_,         std::move(context.tunnel)},
          reports_readable_{context.loop, reports_.fd()},
          thread_{[this] { packet_loop_.run(); }} {
        ::pthread_setname_np(thread_.native_handle(), "pleat-packets");
        wait_for_reports();
    }

    TunPlane(const TunPlane&) = delete;
    TunPlane& operator=(const TunPlane&) = delete;

    ~TunPlane() override {
        commands_.post(command::Stop{});
        thread_.join();
        reports_readable_.release();  // the mailbox owns it
    }

    std::string_view name() const override { return "tun"; }

    AttachmentKind attaches_to() const override { return AttachmentKind::tun_device; }

    void add_host(HostPort port) override { commands_.post(command::AddHost{std::move(port)}); }

    void remove_host(HostId host) override { commands_.post(command::RemoveHost{host}); }

    void activate_at(std::shared_ptr<const PathTable> table, Instant when) override {
        commands_.post(command::Activate{std::move(table), when});
    }

    void set_caps(std::vector<FlowCap> caps) override {
        commands_.post(command::SetCaps{std::move(caps)});
    }

    void read_counters(Instant) override {}  // the packet thread keeps them

    void cut(HostId host) override { commands_.post(command::Cut{host}); }

    void connect(HostId host) override { commands_.post(command::Connect{host}); }

    PlaneTotals totals() const override {
        const auto read = [](const std::atomic<std::uint64_t>& counter) {
            return counter.load(std::memory_order_relaxed);
        };
        const Lateness& lateness = tally_.delivery_lateness;
        return PlaneTotals{.packets_in = read(tally_.packets_in),
                           .packets_out = read(tally_.packets_out),
                           .bytes_out = read(tally_.bytes_out),
                           .queue_drops = read(tally_.queue_drops),
                           .loss_drops = read(tally_.loss_drops),
                           .unreachable_drops = read(tally_.unreachable_drops),
                           .unknown_destination_drops = read(tally_.unknown_destination_drops),
                           .malformed_drops = read(tally_.malformed_drops),
                           .write_drops = read(tally_.write_drops),
                           .tunnel = tally_.tunnel.totals(),
                           .delivery_lateness_p50 = lateness.quantile(0.50),
                           .delivery_lateness_p99 = lateness.quantile(0.99),
                           .delivery_lateness_max = lateness.max()};
    }

    std::optional<Duration> take_worst_lateness() override {
        return tally_.delivery_lateness.take_worst();
    }

    Duration owed() const override {
        return Duration{tally_.owed_ns.load(std::memory_order_relaxed)};
    }

    std::vector<TunnelPeerState> peers() const override {
        std::vector<TunnelPeerState> all;
        all.reserve(machines_.size());
        for (std::size_t i = 0; i < machines_.size(); ++i) {
            all.push_back(tally_.tunnel.state(i, machines_[i]));
        }
        return all;
    }

    void set_underlay_latency(MachineNumber machine, Duration latency) override {
        commands_.post(command::SetUnderlayLatency{machine, latency});
    }

  private:
    static std::vector<MachineNumber> machines(const std::optional<TunnelSettings>& tunnel) {
        std::vector<MachineNumber> all;
        if (!tunnel) return all;
        for (const TunnelPeer& peer : tunnel->peers) all.push_back(peer.machine);
        return all;
    }

    void wait_for_reports() {
        reports_readable_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                                     lifeline_.guard([this] { pass_reports(); }));
    }

    void pass_reports() {
        wait_for_reports();  // first: a report may throw
        for (LoopReport& one : reports_.take()) {
            std::visit(Overload{
                           [this](FlowStarted& started) { report_(std::move(started)); },
                           [this](TableActivated& activated) { report_(activated); },
                           [](FileDescriptor& tun) { tun.close(); },
                           [](std::shared_ptr<const PathTable>& table) { table.reset(); },
                           [](const std::exception_ptr& failed) { std::rethrow_exception(failed); },
                       },
                       one);
        }
    }

    std::function<void(PlaneReport)> report_;
    std::vector<MachineNumber> machines_;  // of the tunnel's peers
    Mailbox<PlaneCommand> commands_;
    Mailbox<LoopReport> reports_;
    PlaneTally tally_;
    PacketLoop packet_loop_;
    boost::asio::posix::stream_descriptor reports_readable_;
    Lifeline lifeline_;
    std::thread thread_;
};

}  // namespace

std::unique_ptr<DataPlane> open_tun_plane(PlaneContext context) {
    return std::make_unique<TunPlane>(std::move(context));
}

}  // namespace pleat
