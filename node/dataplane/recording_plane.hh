// RecordingPlane: a plane for tests of what uses one. It moves no packet; it writes down
// what it was told, and a test makes its reports. The node daemon can open one that reports
// tables by itself when their time has come, and keeps nothing (`--data-plane recording`).
#pragma once

#include <utility>

#include "node/dataplane/data_plane.hh"

namespace pleat {

class RecordingPlane final : public DataPlane {
  public:
    struct Activation {
        std::shared_ptr<const PathTable> table;
        Instant when;
    };

    explicit RecordingPlane(std::function<void(PlaneReport)> report = {})
        : report_{std::move(report)} {}

    std::string_view name() const override { return "recording"; }

    AttachmentKind attaches_to() const override { return AttachmentKind::tun_device; }

    void add_host(HostPort port) override { hosts.push_back(port.host); }

    void remove_host(HostId host) override { std::erase(hosts, host); }

    void activate_at(std::shared_ptr<const PathTable> table, Instant when) override {
        activations.push_back({std::move(table), when});
    }

    void set_caps(std::vector<FlowCap> new_caps) override {
        for (const FlowCap& cap : new_caps) caps.push_back(cap);
    }

    void read_counters(Instant) override { ++counter_reads; }

    void cut(HostId host) override { cut_hosts.push_back(host); }

    void connect(HostId host) override { std::erase(cut_hosts, host); }

    PlaneTotals totals() const override { return current_totals; }

    // As if the plane had said it.
    void report(const PlaneReport& what) const {
        if (report_) report_(what);
    }

    std::vector<HostId> hosts;
    std::vector<HostId> cut_hosts;
    std::vector<Activation> activations;  // all calls, in order
    std::vector<FlowCap> caps;            // all that were ever set, in order
    std::size_t counter_reads = 0;
    PlaneTotals current_totals;

  private:
    std::function<void(PlaneReport)> report_;
};

std::unique_ptr<DataPlane> open_recording_plane(PlaneContext context);

}  // namespace pleat
