// (1) A slot is written by the worker while its begins_at is EDT_NEVER, and by the loop, for a
//     host that has just come, whose rows say "unreachable" until then. What is in force of the
//     others is never written.
// (2) begins_at follows the plan's begins(): slots are taken away before anything is
//     written into them, and given after it was.
// (3) A host's place is its own as long as the plane (and what adopts it) lives.
// (4) Reports are made at the end of a turn, when all is settled: who gets one may call us.
#include "node/dataplane/edt/edt_plane.hh"

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <unordered_set>
#include <utility>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/lifeline.hh"
#include "base/log.hh"
#include "base/overload.hh"
#include "node/dataplane/edt/edt_object.hh"
#include "node/dataplane/edt/flow_watch.hh"
#include "node/dataplane/edt/host_shaping.hh"
#include "node/dataplane/edt/path_caps.hh"
#include "node/dataplane/edt/place_register.hh"
#include "node/dataplane/edt/row_worker.hh"
#include "node/dataplane/edt/slot_plan.hh"
#include "node/dataplane/kernel/bpffs.hh"
#include "node/netlink/interface_watch.hh"
#include "node/repeating_timer.hh"

namespace pleat {

namespace {

using boost::asio::posix::stream_descriptor;

// Rule (4) of data_plane.hh.
constexpr Duration kIdle = std::chrono::milliseconds{100};

Instant instant(std::uint64_t ns) {
    return Instant{Duration{static_cast<std::int64_t>(ns)}};
}

EdtObject open_object(const PlaneContext& context, const EdtPlaneOptions& options) {
    const std::size_t hosts = context.folder.topology().hosts().size();
    const std::size_t uplinks = uplink_count(context.folder.topology());
    if (options.adopt) {
        check_bpffs(options.pins, context.run);
        EdtObject object = EdtObject::adopt(path_of(options.pins));
        if (object.destinations() != std::max<std::size_t>(hosts, 1)) {
            throw Failure{"what is pinned is of another topology: of " +
                          std::to_string(object.destinations()) + " hosts, not " +
                          std::to_string(hosts)};
        }
        return object;
    }
    const std::size_t sources = context.local_hosts == 0 ? hosts : context.local_hosts;
    EdtObject object = EdtObject::load(
        EdtSetup{.sources = static_cast<std::uint32_t>(std::max<std::size_t>(sources, 1)),
                 .destinations = static_cast<std::uint32_t>(std::max<std::size_t>(hosts, 1)),
                 .uplinks = static_cast<std::uint32_t>(std::max<std::size_t>(uplinks, 1)),
                 .seed = context.seed,
                 .attached = context.bare_metal.has_value(),
                 .spared_ports = context.bare_metal.value_or(BareMetal{}).spared_ports});
    object.control().idle_ns = static_cast<std::uint64_t>(kIdle.count());
    if (options.pins.open()) object.pin(path_of(options.pins));
    return object;
}

SlotPlan::LeftSlots left_in(const edt_control& control) {
    SlotPlan::LeftSlots left;
    for (std::size_t slot = 0; slot < EDT_SLOTS; ++slot) {
        if (control.begins_at_ns[slot] == EDT_NEVER) continue;
        left[slot] = SlotPlan::Left{.begins = instant(control.begins_at_ns[slot]),
                                    .version = control.versions[slot],
                                    .epoch = EpochId{control.epochs[slot]}};
    }
    return left;
}

class EdtPlane final : public DataPlane {
  public:
    EdtPlane(PlaneContext context, EdtPlaneOptions options)
        : context_{std::move(context)},
          options_{std::move(options)},
          object_{open_object(context_, options_)},
          places_{options_.pins.value()},
          caps_{object_.caps(), object_.destinations()},
          flows_{object_.counters()},
          plan_{RowWorker::can_wait_for_readers(), left_in(object_.control())},
          worker_{context_.folder},
          shapings_(object_.sources()),
          watches_(object_.sources()),
          are_lost_(object_.sources()),
          timer_{context_.loop},
          results_readable_{context_.loop, worker_.results().fd()},
          events_readable_{context_.loop, object_.events().descriptor()} {
        for (std::uint32_t place = 0; place < places_.hosts().size(); ++place) {
            caps_.name_source(place, places_.hosts()[place]);
        }
        for (std::uint32_t h = 0; h < context_.folder.topology().hosts().size(); ++h) {
            object_.add_address(context_.addresses.ipv4(HostId{h}), HostId{h});
            object_.add_address(context_.addresses.ipv6(HostId{h}), HostId{h});
        }
        edt_control& control = object_.control();
        control.run_mask = static_cast<std::uint32_t>(~std::uint64_t{0}
                                                      << (32 - context_.addresses.prefix_length));
        control.run_network = context_.addresses.base & control.run_mask;
        wait_for_results();
        wait_for_events();
        if (!options_.adopt) return;
        for (std::uint32_t path = 0; path < object_.counters().size(); ++path) {
            if (object_.counters()[path].last_arrival_ns != 0) left_paths_.insert(path);
        }
        // Flows that an earlier plane knew are under way.
        events_lost_ = ~std::uint64_t{0};
        boost::asio::post(context_.loop, [alive = alive_, this] {
            if (!*alive) return;
            report_missed(monotonic_now());
            report_due();  // what came into force while nobody was there
        });
    }

    EdtPlane(const EdtPlane&) = delete;
    EdtPlane& operator=(const EdtPlane&) = delete;

    ~EdtPlane() override {
        *alive_ = false;
        // Their owners close them.
        results_readable_.release();
        events_readable_.release();
        if (options_.leave) {
            for (const auto& shaping : shapings_) {
                if (shaping) shaping->leave();
            }
            return;
        }
        shapings_.clear();
        if (!options_.pins.open()) return;
        places_.forget();
        EdtObject::unpin(path_of(options_.pins));
    }

    std::string_view name() const override { return "edt"; }

    AttachmentKind attaches_to() const override { return AttachmentKind::kernel_interface; }

    std::map<std::string, int> leaves() const override {
        if (!options_.pins.open()) return {};
        return {{kEdtPins, options_.pins.value()}};
    }

    void add_host(HostPort port) override;
    void remove_host(HostId host) override;
    void activate_at(std::shared_ptr<const PathTable> table, Instant when) override;
    void set_caps(std::vector<FlowCap> caps) override;
    void cut(HostId host) override;
    void connect(HostId host) override;
    void give_early(const std::vector<HostId>& destinations, Duration early) override;
    void read_counters(Instant now) override;
    PlaneTotals totals() const override;

  private:
    struct Prepared {
        std::shared_ptr<const PathTable> table;
        std::shared_ptr<const TableRows> rows;  // from when they are folded until it is in force
        std::vector<SourceNeeds> needs;         // by place, of the hosts that were folded
    };

    std::span<edt_path> rows_of(std::uint32_t slot, std::uint32_t place) {
        return object_.paths(slot).subspan(object_.path(place, 0), object_.destinations());
    }

    std::uint32_t place_for(HostId host);
    SourceNeeds fold_into_slots(std::uint32_t place);
    void fold_missing_sources(std::uint32_t slot);

    void interface_gone(std::uint32_t place);
    void interface_changed(std::uint32_t place);
    void count_lost(std::uint32_t place);

    void wait_for_results();
    void receive(const RowWorker::Folded& folded);
    void receive(const RowWorker::Filled& filled);

    void settle(Instant now);
    void store_begins();
    void forget_old_tables();
    void report_due();

    void wait_for_events();
    void report_start(std::uint32_t path, Instant at, Instant now);
    void report_missed(Instant now);

    // What happens to one interface concerns the other hosts nothing.
    template <typename Action>
    void on_interface(std::uint32_t place, std::string_view what, Action&& action) {
        if (!shapings_[place]) return;
        try {
            action(*shapings_[place]);
        } catch (const std::exception& error) {
            count_lost(place);
            log::warn(R"(interface not changed host={} while="{}" reason="{}")",
                      context_.folder.topology().host(places_.hosts()[place]).name, what,
                      error.what());
        }
    }

    PlaneContext context_;
    EdtPlaneOptions options_;
    EdtObject object_;
    PlaceRegister places_;
    PathCaps caps_;
    FlowWatch flows_;
    SlotPlan plan_;
    RowWorker worker_;
    std::map<SlotPlan::Ticket, Prepared> tables_;
    SlotPlan::Ticket tickets_ = 0;
    std::vector<std::unique_ptr<HostShaping>> shapings_;  // by place; so are these:
    std::vector<std::unique_ptr<InterfaceWatch>> watches_;
    std::vector<bool> are_lost_;  // counted in interfaces_lost_
    std::unordered_set<std::uint32_t>
        left_paths_;  // of flows of an earlier plane, not reported yet
    std::uint64_t events_lost_ = 0;
    std::uint64_t interfaces_lost_ = 0;
    boost::asio::steady_timer timer_;
    stream_descriptor results_readable_;
    stream_descriptor events_readable_;
    Lifeline lifeline_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

// ---- hosts

std::uint32_t EdtPlane::place_for(HostId host) {
    if (const auto place = places_.find(host)) return *place;
    if (places_.hosts().size() == object_.sources()) {
        throw Failure{"the data plane was made for " + std::to_string(object_.sources()) +
                      " hosts of this machine, and there are more"};
    }
    const std::uint32_t place = places_.add(host);
    caps_.name_source(place, host);
    return place;
}

SourceNeeds EdtPlane::fold_into_slots(std::uint32_t place) {
    SourceNeeds needs;
    for (std::uint32_t slot = 0; slot < EDT_SLOTS; ++slot) {
        const std::optional<SlotPlan::Ticket> ticket = plan_.occupant(slot);
        // One that is being filled gets what it lacks when it is.
        if (!ticket || !plan_.begins()[slot]) continue;
        const Prepared& prepared = tables_.at(*ticket);
        if (place < prepared.needs.size()) {
            needs = either(needs, prepared.needs[place]);
            continue;
        }
        const std::span<edt_path> rows = rows_of(slot, place);
        fold_source(context_.folder, *prepared.table, places_.hosts()[place], rows);
        needs = either(needs, needs_of(rows));
    }
    return needs;
}

void EdtPlane::add_host(HostPort port) {
    PLEAT_ASSERT(std::holds_alternative<KernelInterface>(port.attachment));
    PLEAT_ASSERT(port.host.value < object_.destinations());
    const auto& interface = std::get<KernelInterface>(port.attachment);
    const std::uint32_t place = place_for(port.host);
    if (shapings_[place]) remove_host(port.host);
    object_.set_source(place, port.host);
    object_.add_address(port.ipv4, port.host);
    object_.add_address(port.ipv6, port.host);
    if (port.outside) object_.control().outside = port.host.value;
    const SourceNeeds needs = fold_into_slots(place);

    TrafficControl control{interface.network_namespace.value(), interface.name};
    const HostShaping::Attach attach{.mark = "pleat " + context_.run,
                                     .program = object_.egress_program(),
                                     .classid = EDT_CLASSID(place),
                                     .takeover = interface.takeover};
    std::unique_ptr<HostShaping> shaping;
    if (options_.adopt) shaping = HostShaping::adopt(control, attach, needs);
    if (!shaping) shaping = std::make_unique<HostShaping>(std::move(control), attach, needs);
    watches_[place] = std::make_unique<InterfaceWatch>(
        context_.loop, interface.network_namespace.value(), shaping->index(),
        InterfaceWatch::Outputs{.gone = [this, place] { interface_gone(place); },
                                .changed = [this, place](bool) { interface_changed(place); }});
    are_lost_[place] = false;
    shapings_[place] = std::move(shaping);
    // As it was left by an earlier plane, or as we know it.
    if (shapings_[place]->is_cut()) caps_.cut(port.host);
    if (caps_.is_cut(port.host)) shapings_[place]->cut(object_.drop_all_program());
    caps_.host_there(port.host);
}

void EdtPlane::remove_host(HostId host) {
    const auto place = places_.find(host);
    if (!place) return;
    edt_control& control = object_.control();
    if (control.outside == host.value) control.outside = EDT_NO_DESTINATION;
    caps_.host_gone(host);
    watches_[*place].reset();
    shapings_[*place].reset();
}

// Nothing of the host passes any more, and nothing that goes to it arrives; the others go on.
void EdtPlane::interface_gone(std::uint32_t place) {
    count_lost(place);
    log::warn("interface is gone host={} interface={}",
              context_.folder.topology().host(places_.hosts()[place]).name,
              shapings_[place]->interface());
    caps_.host_gone(places_.hosts()[place]);
    watches_[place].reset();
    shapings_[place]->leave();
    shapings_[place].reset();
}

// By somebody else, or by us.
void EdtPlane::interface_changed(std::uint32_t place) {
    on_interface(place, "putting back what somebody has removed", [&](HostShaping& one) {
        if (!one.mend()) return;
        count_lost(place);
        log::warn(
            "somebody has removed the shaping of a host, it is put back; what was sent "
            "meanwhile was not shaped host={} interface={}",
            context_.folder.topology().host(places_.hosts()[place]).name, one.interface());
    });
}

void EdtPlane::count_lost(std::uint32_t place) {
    if (are_lost_[place]) return;
    are_lost_[place] = true;
    ++interfaces_lost_;
}

void EdtPlane::cut(HostId host) {
    caps_.cut(host);
    if (const auto place = places_.find(host)) {
        on_interface(*place, "cutting it off",
                     [this](HostShaping& one) { one.cut(object_.drop_all_program()); });
    }
}

void EdtPlane::connect(HostId host) {
    caps_.connect(host);
    if (const auto place = places_.find(host)) {
        on_interface(*place, "connecting it", [](HostShaping& one) { one.connect(); });
    }
}

void EdtPlane::set_caps(std::vector<FlowCap> caps) {
    for (const FlowCap& one : caps) {
        if (const auto place = places_.find(one.flow.source)) {
            caps_.set(*place, one.flow.destination, one.cap);
        }
    }
}

void EdtPlane::give_early(const std::vector<HostId>& destinations, Duration early) {
    const auto ns = static_cast<std::uint64_t>(std::max(early, Duration::zero()).count());
    for (const HostId destination : destinations) {
        std::atomic_ref{object_.early()[destination.value]}.store(ns, std::memory_order_relaxed);
    }
}

// ---- tables

void EdtPlane::activate_at(std::shared_ptr<const PathTable> table, Instant when) {
    const SlotPlan::Ticket ticket = ++tickets_;
    plan_.ask({ticket, table->version(), table->epoch(), when}, monotonic_now());
    tables_[ticket].table = table;
    worker_.fold({ticket, std::move(table), places_.hosts(), nullptr});
    settle(monotonic_now());
}

void EdtPlane::wait_for_results() {
    results_readable_.async_wait(stream_descriptor::wait_read, lifeline_.guard([this] {
        wait_for_results();  // first: a report may throw
        for (const RowWorker::Result& result : worker_.results().take()) {
            std::visit([this](const auto& one) { receive(one); }, result);
        }
        report_due();
    }));
}

void EdtPlane::receive(const RowWorker::Folded& folded) {
    const auto found = tables_.find(folded.ticket);
    if (found == tables_.end()) return;  // it has lost meanwhile
    const std::vector<HostId>& hosts = places_.hosts();
    const std::size_t folded_hosts = folded.rows->sources();
    if (folded_hosts < hosts.size()) {
        // Hosts have come while it was folded.
        worker_.fold({folded.ticket,
                      found->second.table,
                      {hosts.begin() + static_cast<std::ptrdiff_t>(folded_hosts), hosts.end()},
                      folded.rows});
        return;
    }
    found->second.needs = folded.rows->needs;
    for (std::uint32_t place = 0; place < folded_hosts; ++place) {
        on_interface(place, "preparing it for a table",
                     [&](HostShaping& one) { one.provide(folded.rows->needs[place]); });
    }
    if (plan_.folded(folded.ticket)) found->second.rows = folded.rows;
    settle(monotonic_now());
}

void EdtPlane::receive(const RowWorker::Filled& filled) {
    fold_missing_sources(filled.slot);
    plan_.filled(filled.slot, monotonic_now());
    settle(monotonic_now());
}

// Hosts that came since the rows were folded; rule (1) of this file.
void EdtPlane::fold_missing_sources(std::uint32_t slot) {
    const std::optional<SlotPlan::Ticket> ticket = plan_.occupant(slot);
    if (!ticket) return;
    const Prepared& prepared = tables_.at(*ticket);
    for (auto place = static_cast<std::uint32_t>(prepared.needs.size());
         place < places_.hosts().size(); ++place) {
        const std::span<edt_path> rows = rows_of(slot, place);
        fold_source(context_.folder, *prepared.table, places_.hosts()[place], rows);
        on_interface(place, "preparing it for a table",
                     [&](HostShaping& one) { one.provide(needs_of(rows)); });
    }
}

void EdtPlane::settle(Instant now) {
    store_begins();
    while (const std::optional<SlotPlan::Fill> fill = plan_.next_fill(now)) {
        store_begins();
        worker_.fill({.slot = fill->slot,
                      .rows = tables_.at(fill->ticket).rows,
                      .paths = object_.paths(fill->slot),
                      .uplinks = object_.uplinks(fill->slot),
                      .wait_for_readers = fill->wait_for_readers});
    }
    forget_old_tables();
    const std::optional<Instant> next = plan_.next_instant(now);
    if (!next) return;
    timer_.expires_at(steady(*next));
    timer_.async_wait(lifeline_.guard([this] { report_due(); }));
}

void EdtPlane::store_begins() {
    edt_control& control = object_.control();
    for (SlotPlan::Slot slot = 0; slot < EDT_SLOTS; ++slot) {
        if (const std::optional<SlotPlan::Ticket> ticket = plan_.occupant(slot)) {
            const PathTable& table = *tables_.at(*ticket).table;
            control.versions[slot] = table.version();
            control.epochs[slot] = table.epoch().value;
        }
        const std::optional<Instant>& begin = plan_.begins()[slot];
        const std::uint64_t value =
            begin ? static_cast<std::uint64_t>(begin->time_since_epoch().count()) : EDT_NEVER;
        // All that was written into the slot before is seen by who sees this.
        std::atomic_ref{control.begins_at_ns[slot]}.store(value, std::memory_order_release);
    }
}

void EdtPlane::forget_old_tables() {
    std::erase_if(tables_, [this](const auto& one) { return !plan_.knows(one.first); });
}

void EdtPlane::report_due() {
    const Instant now = monotonic_now();
    const std::vector<SlotPlan::InForce> due = plan_.due(now);
    for (const SlotPlan::InForce& one : due) {
        // What was left and not asked for again has none.
        const auto found = tables_.find(one.table.ticket);
        if (found != tables_.end()) found->second.rows.reset();
    }
    settle(now);
    for (const SlotPlan::InForce& one : due) {
        context_.report(TableActivated{.version = one.table.version,
                                       .epoch = one.table.epoch,
                                       .planned = one.table.when,
                                       .actual = one.actual});
    }
}

// ---- flows

void EdtPlane::wait_for_events() {
    events_readable_.async_wait(stream_descriptor::wait_read, lifeline_.guard([this] {
        wait_for_events();  // first: a report may throw
        std::vector<edt_event> events;
        object_.events().take<edt_event>(
            [&events](const edt_event& one) { events.push_back(one); });
        const Instant now = monotonic_now();
        for (const edt_event& one : events) {
            report_start(one.path, instant(one.at_ns), now);
        }
    }));
}

void EdtPlane::report_start(std::uint32_t path, Instant at, Instant now) {
    const std::uint32_t place = path / object_.destinations();
    if (place >= places_.hosts().size()) return;
    const FlowKey flow{places_.hosts()[place], HostId{path % object_.destinations()}};
    std::optional<Bandwidth> left_cap;
    if (left_paths_.erase(path) > 0) left_cap = caps_.cap(place, flow.destination);
    context_.report(FlowStarted{
        .flow = flow, .at = at, .counters = flows_.start(path, now), .left_cap = left_cap});
}

void EdtPlane::report_missed(Instant now) {
    const std::uint64_t lost = object_.totals().event_losses;
    if (lost == std::exchange(events_lost_, lost)) return;
    for (const std::uint32_t path : flows_.scan(now)) {
        report_start(path, instant(object_.counters()[path].last_arrival_ns), now);
    }
}

void EdtPlane::read_counters(Instant now) {
    report_missed(now);
    flows_.read(now);
}

PlaneTotals EdtPlane::totals() const {
    const edt_totals all = object_.totals();
    return PlaneTotals{.packets_in = all.packets_in,
                       .packets_out = all.packets_out,
                       .bytes_out = all.bytes_out,
                       .queue_drops = all.queue_drops,
                       .loss_drops = all.loss_drops,
                       .unreachable_drops = all.unreachable_drops,
                       .unknown_destination_drops = all.unknown_destination,
                       .malformed_drops = all.malformed_drops,
                       .write_drops = all.clone_failures,
                       .interfaces_lost = interfaces_lost_};
}

}  // namespace

std::unique_ptr<DataPlane> open_edt_plane(PlaneContext context, EdtPlaneOptions options) {
    PLEAT_ASSERT(!options.adopt || options.pins.open());
    return std::make_unique<EdtPlane>(std::move(context), std::move(options));
}

}  // namespace pleat
