#include "node/dataplane/greeting_plane.hh"

#include <algorithm>
#include <utility>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/lifeline.hh"
#include "node/dataplane/tunnel/tunnel.hh"
#include "node/repeating_timer.hh"

namespace pleat {

namespace {

using boost::asio::posix::stream_descriptor;

class GreetingPlane final : public DataPlane {
  public:
    GreetingPlane(boost::asio::io_context& loop, std::unique_ptr<DataPlane> kernel_plane,
                  TunnelSettings tunnel)
        : plane_{std::move(kernel_plane)},
          peers_{tunnel.peers},
          tally_{peers_.size()},
          tunnel_{std::move(tunnel), tally_},
          readable_{loop, tunnel_.fd()},
          timer_{loop} {
        wait_for_hellos();
        greet();
    }

    GreetingPlane(const GreetingPlane&) = delete;
    GreetingPlane& operator=(const GreetingPlane&) = delete;

    ~GreetingPlane() override { readable_.release(); }  // the tunnel owns it

    std::string_view name() const override { return plane_->name(); }

    AttachmentKind attaches_to() const override { return plane_->attaches_to(); }

    std::map<std::string, int> leaves() const override { return plane_->leaves(); }

    void add_host(HostPort port) override { plane_->add_host(std::move(port)); }

    void remove_host(HostId host) override { plane_->remove_host(host); }

    void activate_at(std::shared_ptr<const PathTable> table, Instant when) override {
        plane_->activate_at(std::move(table), when);
    }

    void set_caps(std::vector<FlowCap> caps) override { plane_->set_caps(std::move(caps)); }

    void read_counters(Instant now) override { plane_->read_counters(now); }

    void cut(HostId host) override { plane_->cut(host); }

    void connect(HostId host) override { plane_->connect(host); }

    PlaneTotals totals() const override {
        PlaneTotals totals = plane_->totals();
        totals.tunnel = tally_.totals();
        return totals;
    }

    std::vector<TunnelPeerState> peers() const override {
        std::vector<TunnelPeerState> all;
        all.reserve(peers_.size());
        for (std::size_t i = 0; i < peers_.size(); ++i) {
            all.push_back(tally_.state(i, peers_[i].machine));
        }
        return all;
    }

    void set_underlay_latency(MachineNumber machine, Duration latency) override {
        const auto peer = std::ranges::find(peers_, machine, &TunnelPeer::machine);
        PLEAT_ASSERT(peer != peers_.end());
        plane_->give_early(peer->hosts, latency);
    }

  private:
    void wait_for_hellos() {
        readable_.async_wait(stream_descriptor::wait_read, lifeline_.guard([this] {
            wait_for_hellos();
            // Hosts' packets don't come this way.
            tunnel_.receive(monotonic_now(), [](const Tunnel::Arrival&) { return false; });
            greet();
        }));
    }

    void greet() {
        const Instant now = monotonic_now();
        if (tunnel_.next() <= now) tunnel_.greet(now);
        timer_.expires_at(steady(tunnel_.next()));
        timer_.async_wait(lifeline_.guard([this] { greet(); }));
    }

    std::unique_ptr<DataPlane> plane_;
    std::vector<TunnelPeer> peers_;
    TunnelTally tally_;
    Tunnel tunnel_;
    stream_descriptor readable_;
    boost::asio::steady_timer timer_;
    Lifeline lifeline_;
};

}  // namespace

std::unique_ptr<DataPlane> open_greeting_plane(boost::asio::io_context& loop,
                                               std::unique_ptr<DataPlane> kernel_plane,
                                               TunnelSettings tunnel) {
    return std::make_unique<GreetingPlane>(loop, std::move(kernel_plane), std::move(tunnel));
}

}  // namespace pleat
