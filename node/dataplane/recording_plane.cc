#include "node/dataplane/recording_plane.hh"

#include <list>

#include <boost/asio/steady_timer.hpp>

namespace pleat {

namespace {

// Reports tables by the loop's own timer.
class TimedPlane final : public DataPlane {
  public:
    explicit TimedPlane(PlaneContext context) : context_{std::move(context)} {}

    std::string_view name() const override { return "recording"; }

    AttachmentKind attaches_to() const override { return AttachmentKind::tun_device; }

    void add_host(HostPort /*port*/) override {}

    void remove_host(HostId /*host*/) override {}

    void activate_at(std::shared_ptr<const PathTable> table, Instant when) override {
        const auto place = prepared_.emplace(prepared_.end(), context_.loop, table);
        place->timer.expires_after(when - monotonic_now());
        place->timer.async_wait([this, place, when, alive = std::weak_ptr<int>{alive_}](
                                    const boost::system::error_code& error) {
            if (error || alive.expired()) return;
            const std::shared_ptr<const PathTable> active = std::move(place->table);
            prepared_.erase(place);
            context_.report(TableActivated{.version = active->version(),
                                           .epoch = active->epoch(),
                                           .planned = when,
                                           .actual = monotonic_now()});
        });
    }

    void set_caps(std::vector<FlowCap> /*caps*/) override {}

    void read_counters(Instant /*now*/) override {}

    void cut(HostId /*host*/) override {}

    void connect(HostId /*host*/) override {}

    PlaneTotals totals() const override { return {}; }

  private:
    struct Prepared {
        Prepared(boost::asio::io_context& loop, std::shared_ptr<const PathTable> its)
            : timer{loop}, table{std::move(its)} {}

        boost::asio::steady_timer timer;
        std::shared_ptr<const PathTable> table;
    };

    PlaneContext context_;
    std::list<Prepared> prepared_;
    std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace

std::unique_ptr<DataPlane> open_recording_plane(PlaneContext context) {
    return std::make_unique<TimedPlane>(std::move(context));
}

}  // namespace pleat
