// NetemPlane: (1) a row is (host of this machine, destination). It is open when its packets
// may pass: a path leads there and neither end is cut off or removed. Rows begin closed.
// (2) A row opens after the kernel has its class, and closes before anything else is done
// about it. With BPF both are one store.
// (3) What waits when a row closes is dropped: when no path leads there any more, after the
// path's delay, for deliveries are those of a clock before the delay, and what had departed
// then has arrived; when a host is cut off, at once.
#include "node/dataplane/netem/netem_plane.hh"

#include <algorithm>
#include <atomic>
#include <map>
#include <set>
#include <utility>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/error.hh"
#include "base/lifeline.hh"
#include "base/log.hh"
#include "node/dataplane/kernel/bpf_object.hh"
#include "node/dataplane/kernel/bpffs.hh"
#include "node/dataplane/netem/classifier.hh"
#include "node/dataplane/netem/flow_book.hh"
#include "node/dataplane/netem/local_host.hh"
#include "node/dataplane/netem/plane_memory.hh"
#include "node/dataplane/netem/prepared_tables.hh"
#include "node/dataplane/netem/row_folder.hh"
#include "node/dataplane/netem/tcal.hh"
#include "node/dataplane/netem/u32_filters.hh"
#include "node/repeating_timer.hh"

namespace pleat {

namespace {

constexpr Duration kIdle = std::chrono::milliseconds{100};
// Without BPF, how often one looks for new flows, and the part of the time that this may take.
constexpr Duration kPoll = std::chrono::milliseconds{20};
constexpr int kPollShare = 10;
// Of a plane that is taken over: a flow is under way that had a packet so lately.
constexpr Duration kUnderWay = std::chrono::seconds{1};

PlaneMemory memory_of(PlaneContext& context) {
    const std::size_t hosts = context.folder.topology().hosts().size();
    const auto left = context.left.find(kNetemMemory);
    if (left == context.left.end()) return PlaneMemory{hosts};
    return PlaneMemory{hosts, std::move(left->second)};
}

// What a request for each row is not worth, of give_early().
constexpr Duration kWorthARequest = std::chrono::microseconds{20};

class NetemPlane final : public DataPlane {
  public:
    NetemPlane(PlaneContext context, NetemOptions options);
    NetemPlane(const NetemPlane&) = delete;
    NetemPlane& operator=(const NetemPlane&) = delete;
    ~NetemPlane() override;

    std::string_view name() const override { return "netem"; }

    AttachmentKind attaches_to() const override { return AttachmentKind::kernel_interface; }

    std::map<std::string, int> leaves() const override;

    void add_host(HostPort port) override;
    void remove_host(HostId host) override;
    void activate_at(std::shared_ptr<const PathTable> table, Instant when) override;
    void set_caps(std::vector<FlowCap> caps) override;
    void read_counters(Instant now) override;
    void cut(HostId host) override;
    void connect(HostId host) override;
    void give_early(const std::vector<HostId>& destinations, Duration early) override;
    PlaneTotals totals() const override;

  private:
    struct Flush {
        FlowKey flow;
        std::uint16_t destination = 0;
    };

    bool blocked(FlowKey flow) const {
        return unplugged_[flow.source.value] || unplugged_[flow.destination.value];
    }

    void open_classifier(const PlaneContext& context);
    void take_source(LocalHost& local, bool goes_on);
    void attach_classifier(LocalHost& local) const;
    void guard(LocalHost& local, int network_namespace);
    void flush_closed(LocalHost& local);
    void report_left();
    LocalHost* find(HostId host);
    void filter(LocalHost& local, std::uint32_t destination, std::uint32_t classid) const;
    void shape(LocalHost& local, std::uint32_t destination, const std::optional<FlowShape>& shape);
    void refresh(LocalHost& local, std::uint32_t destination);
    void open(LocalHost& local, std::uint32_t destination);
    void close(LocalHost& local, std::uint32_t destination, bool at_once);
    void commit(LocalHost& local);
    void unplug(HostId host);
    void plug(HostId host);

    void wait_for_rows();
    void wait_for_events();
    void limit_segments(HostId host, const Rows& rows);
    void wait_for_prepared();
    void switch_due();
    void switch_to(PreparedTable prepared);
    void wait_for_flushes();
    void flush_due();
    void wait_for_poll(Duration pause);
    void poll_for_starts();
    void start(FlowKey flow, Instant at);

    const PathFolder& folder_;
    std::uint64_t seed_;
    NetemOptions options_;
    std::string mark_;  // of the run
    std::function<void(PlaneReport)> report_;
    std::vector<bool> unplugged_;  // by HostId: cut off, or removed
    PlaneMemory memory_;
    bool is_adopted_;      // it goes on with what an earlier one left
    FileDescriptor pins_;  // of the classifier
    std::unique_ptr<Classifier> classifier_;
    U32Filters filters_;  // without it
    std::map<HostId, std::unique_ptr<LocalHost>> locals_;
    std::vector<std::optional<HostId>> places_;  // whose source a place is
    std::shared_ptr<const PathTable> table_;     // in force
    PreparedTables prepared_;
    RowFolder row_folder_;
    FlowBook flows_;
    bool has_reported_left_ = false;
    std::set<FlowKey> left_flows_;  // that the earlier plane knew, and that were not reported yet
    std::multimap<Instant, Flush> flushes_;
    Tcal::Dropped dropped_;  // without BPF
    std::uint64_t interfaces_lost_ = 0;
    boost::asio::io_context& loop_;
    boost::asio::posix::stream_descriptor rows_readable_;
    boost::asio::posix::stream_descriptor events_readable_;
    boost::asio::steady_timer switch_timer_;
    boost::asio::steady_timer flush_timer_;
    boost::asio::steady_timer poll_timer_;
    Lifeline lifeline_;
};

NetemPlane::NetemPlane(PlaneContext context, NetemOptions options)
    : folder_{context.folder},
      seed_{context.seed},
      options_{options},
      mark_{"pleat " + context.run},
      report_{std::move(context.report)},
      unplugged_(context.folder.topology().hosts().size(), false),
      memory_{memory_of(context)},
      is_adopted_{context.left.contains(kNetemMemory)},
      filters_{context.addresses, options.pass_unknown},
      row_folder_{context.folder},
      loop_{context.loop},
      rows_readable_{context.loop, row_folder_.fd()},
      events_readable_{context.loop},
      switch_timer_{context.loop},
      flush_timer_{context.loop},
      poll_timer_{context.loop} {
    if (const auto pins = context.left.extract(kNetemPins)) pins_ = std::move(pins.mapped());
    open_classifier(context);
    wait_for_rows();
    if (classifier_) {
        events_readable_.assign(classifier_->events().descriptor());
        if (!is_adopted_) wait_for_events();
    }
}

std::map<std::string, int> NetemPlane::leaves() const {
    if (!classifier_) return {{kNetemMemory, memory_.descriptor()}};
    if (!pins_.open()) return {};
    return {{kNetemMemory, memory_.descriptor()}, {kNetemPins, pins_.value()}};
}

void NetemPlane::open_classifier(const PlaneContext& context) {
    if (is_adopted_) {
        if (!pins_.open()) return;  // as the earlier one
        check_bpffs(pins_, context.run);
        classifier_ = std::make_unique<Classifier>(unplugged_.size(), path_of(pins_));
        return;
    }
    if (options_.without_bpf) return;
    try {
        if (const std::string missing = missing_for_bpf(); !missing.empty()) throw Failure{missing};
        classifier_ =
            std::make_unique<Classifier>(context.addresses, unplugged_.size(),
                                         options_.pass_unknown, kIdle, false, context.bare_metal);
    } catch (const Failure& error) {
        // u32 filters know no ports.
        if (context.bare_metal) throw MissingFeature{error.what()};
        const std::string why = error.what();  // the rest is libbpf's and the verifier's
        log::info("netem works without BPF, with u32 filters why=\"{}\"",
                  why.substr(0, why.find('\n')));
        return;
    }
    try {
        pins_ = open_private_bpffs(context.run);
        classifier_->pin_in(path_of(pins_));
    } catch (const std::exception& error) {
        pins_.close();
        log::warn(R"(a node daemon that dies could not be replaced reason="{}")", error.what());
    }
}

NetemPlane::~NetemPlane() {
    if (options_.leave) {
        for (const auto& [host, local] : locals_) local->tcal->leave();
    }
    // Others own them.
    rows_readable_.release();
    if (classifier_) events_readable_.release();
}

LocalHost* NetemPlane::find(HostId host) {
    const auto it = locals_.find(host);
    return it == locals_.end() ? nullptr : it->second.get();
}

void NetemPlane::add_host(HostPort port) {
    auto* const attachment = std::get_if<KernelInterface>(&port.attachment);
    PLEAT_ASSERT(attachment != nullptr);
    PLEAT_ASSERT(port.host.value < unplugged_.size() && find(port.host) == nullptr);
    constexpr std::size_t kMost = kLastDestination - kFirstDestination + 1;
    if (unplugged_.size() > kMost) {
        throw Failure{"the netem plane has room for " + std::to_string(kMost) +
                      " hosts (an HTB holds at most 65,535 classes, and each needs two qdiscs "
                      "beside); this topology has " +
                      std::to_string(unplugged_.size())};
    }
    auto local = std::make_unique<LocalHost>();
    local->host = port.host;
    local->rows.resize(unplugged_.size());
    local->memory = memory_.of(port.host);
    local->tcal = std::make_unique<Tcal>(
        attachment->network_namespace.value(), attachment->name, attachment->takeover,
        seed_ + (std::uint64_t{port.host.value} << 32U), &local->memory->tcal());
    const bool goes_on = local->tcal->goes_on();
    if (is_adopted_ && !goes_on) {
        log::warn("interface was no more shaped host={} interface={}",
                  folder_.topology().host(port.host).name, attachment->name);
    }
    if (goes_on) {
        local->recall_rows();
    } else {
        std::ranges::fill(local->memory->rows(), RowMemory{});
        local->memory->is_cut() = false;
    }
    if (port.outside) filters_.set_outside(port.host);
    if (classifier_) {
        if (port.outside) classifier_->set_outside(port.host.value);
        take_source(*local, goes_on);
    } else {
        local->seen.resize(unplugged_.size());
        if (!goes_on) filters_.make(*local->tcal);
        if (locals_.empty() && !is_adopted_) wait_for_poll(kPoll);
    }
    local->tcal->commit();
    LocalHost& added = *local;
    locals_[port.host] = std::move(local);
    guard(added, attachment->network_namespace.value());
    if (goes_on) flush_closed(added);
    if (table_) {
        Rows rows = rows_of(folder_, *table_, port.host);
        for (std::uint32_t i = 0; i < rows.size(); ++i) shape(added, i, rows[i]);
        commit(added);
    }
    if (added.memory->is_cut()) {
        unplug(port.host);
    } else {
        plug(port.host);
    }
}

// Its rows among the classifier's, and the program at its interface.
void NetemPlane::take_source(LocalHost& local, bool goes_on) {
    if (is_adopted_) {
        // Also of one that has to be set up again: others that come after it have theirs.
        local.place = local.memory->place();
    } else {
        const auto free =
            std::ranges::find_if(places_, [](const auto& place) { return !place.has_value(); });
        local.place = static_cast<std::uint16_t>(free - places_.begin());
        local.memory->place() = local.place;
    }
    if (local.place >= places_.size()) places_.resize(local.place + std::size_t{1});
    places_[local.place] = local.host;
    if (goes_on) {
        local.source = classifier_->pinned_source(local.place);
        return;
    }
    local.source = classifier_->add_source(local.place);
    attach_classifier(local);
}

void NetemPlane::attach_classifier(LocalHost& local) const {
    local.tcal->request(
        "attach the BPF classifier",
        local.tcal->messages().program(true, classifier_->egress_program(), mark_, local.place));
}

void NetemPlane::guard(LocalHost& local, int network_namespace) {
    ShapingGuard::Outputs outputs{.attach_classifier = {}, .lost = [this] { ++interfaces_lost_; }};
    if (classifier_) outputs.attach_classifier = [this, &local] { attach_classifier(local); };
    local.guard = std::make_unique<ShapingGuard>(loop_, network_namespace, *local.tcal,
                                                 folder_.topology().host(local.host).name,
                                                 std::move(outputs));
}

// What waits in rows that an earlier plane has closed: rule (3).
void NetemPlane::flush_closed(LocalHost& local) {
    for (std::uint32_t i = 0; i < local.rows.size(); ++i) {
        if (local.rows[i].open) continue;
        for (const auto& [uplink, minor] : local.rows[i].former) {
            const NetemShape& netem = local.tcal->shape_of(minor).netem;
            flushes_.emplace(monotonic_now() + netem.delay + 4 * netem.jitter,
                             Flush{{local.host, HostId{i}}, minor});
        }
    }
    wait_for_flushes();
}

// The flows that an earlier plane knew, once a table says how their bytes are counted. Those of
// late are under way.
void NetemPlane::report_left() {
    has_reported_left_ = true;
    const Instant now = monotonic_now();
    std::vector<FlowKey> under_way;
    for (const auto& [host, local] : locals_) {
        if (!classifier_) {
            for (const std::uint32_t one : local->started(now, kIdle)) {
                under_way.push_back({host, HostId{one}});
                left_flows_.insert(under_way.back());
                flows_.recall(under_way.back(), now, local->memory->rows()[one].may_lose);
            }
            continue;
        }
        for (std::uint32_t i = 0; i < local->rows.size(); ++i) {
            const Instant last = local->entered(i).last_arrival;
            if (last == Instant{}) continue;
            const FlowKey flow{host, HostId{i}};
            flows_.recall(flow, last, local->memory->rows()[i].may_lose);
            left_flows_.insert(flow);
            if (now - last < kUnderWay) under_way.push_back(flow);
        }
    }
    // Who hears of a flow finds what it has done so far.
    flows_.read([this](HostId host) { return find(host); }, now);
    for (const FlowKey& flow : under_way) start(flow, now);
    if (classifier_) {
        wait_for_events();
    } else {
        wait_for_poll(kPoll);
    }
}

// Leads the destination's packets to a class.
void NetemPlane::filter(LocalHost& local, std::uint32_t destination, std::uint32_t classid) const {
    Row& row = local.rows[destination];
    if (classifier_ || row.filtered == classid) return;
    row.filtered = classid;
    filters_.lead(*local.tcal, HostId{destination}, classid);
}

void NetemPlane::remove_host(HostId host) {
    PLEAT_ASSERT(host.value < unplugged_.size());
    if (LocalHost* const local = find(host)) {
        read_counters(monotonic_now());
        if (classifier_) {
            classifier_->remove_source(*local->source);
            places_[local->place].reset();
        }
        flows_.host_gone(host);
        locals_.erase(host);
    }
    unplug(host);
}

void NetemPlane::activate_at(std::shared_ptr<const PathTable> table, Instant when) {
    std::vector<HostId> sources;
    sources.reserve(locals_.size());
    for (const auto& [host, local] : locals_) sources.push_back(host);
    row_folder_.fold(table, std::move(sources));
    prepared_.ask(std::move(table), when);
    wait_for_prepared();
}

void NetemPlane::wait_for_rows() {
    rows_readable_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                              lifeline_.guard([this] {
                                  wait_for_rows();  // first: what follows may throw
                                  for (FoldedTable& folded : row_folder_.take()) {
                                      for (const auto& [host, rows] : folded.rows) {
                                          limit_segments(host, rows);
                                      }
                                      prepared_.folded(std::move(folded));
                                  }
                                  switch_due();
                              }));
}

// On an interface with fewer segments at once than now, connections that are made from here on
// have them; the sooner the better.
void NetemPlane::limit_segments(HostId host, const Rows& rows) {
    LocalHost* const local = find(host);
    if (local == nullptr) return;
    for (const auto& row : rows) {
        if (!row) continue;
        if (const auto most = segments_at_once(row->path)) local->tcal->limit_segments(*most);
    }
    local->tcal->commit();
}

void NetemPlane::wait_for_prepared() {
    const std::optional<Instant> next = prepared_.next();
    if (!next) return;
    switch_timer_.expires_at(steady(*next));
    switch_timer_.async_wait(lifeline_.guard([this] { switch_due(); }));
}

void NetemPlane::switch_due() {
    while (std::optional<PreparedTable> due = prepared_.take_due(monotonic_now())) {
        switch_to(std::move(*due));
    }
    // One that is due but not folded goes on when its rows come.
    if (prepared_.next() > monotonic_now()) wait_for_prepared();
}

void NetemPlane::switch_to(PreparedTable prepared) {
    table_ = prepared.table;
    for (const auto& [host, local] : locals_) {
        const auto folded = prepared.rows->find(host);
        Rows rows = folded == prepared.rows->end() ? rows_of(folder_, *table_, host)
                                                   : std::move(folded->second);
        for (std::uint32_t i = 0; i < rows.size(); ++i) shape(*local, i, rows[i]);
    }
    for (const auto& [host, local] : locals_) commit(*local);
    report_(TableActivated{.version = table_->version(),
                           .epoch = table_->epoch(),
                           .planned = prepared.when,
                           .actual = monotonic_now()});
    if (is_adopted_ && !has_reported_left_) report_left();
}

void NetemPlane::shape(LocalHost& local, std::uint32_t destination,
                       const std::optional<FlowShape>& shape) {
    Row& row = local.rows[destination];
    const bool open = shape && !blocked({local.host, HostId{destination}});
    if (open == row.open && row.shape == shape && (classifier_ || row.filtered != 0)) return;
    row.shape = shape;
    refresh(local, destination);
}

// Brings the kernel's state to the row's.
void NetemPlane::refresh(LocalHost& local, std::uint32_t destination) {
    Row& row = local.rows[destination];
    const FlowKey key{local.host, HostId{destination}};
    if (!row.shape || blocked(key)) {
        if (row.open) close(local, destination, blocked(key));
        if (key.source != key.destination) filter(local, destination, kUnreachableClass);
        return;
    }
    Tcal& tcal = *local.tcal;
    const AccessShape& access = row.shape->uplink;
    const std::uint16_t uplink = tcal.shape_uplink(
        access.link.value, class_shape(access.bandwidth, access.bandwidth, access.overhead));
    row.move_behind(uplink, key.destination, tcal);
    DestinationShape wanted = destination_shape(
        earlier(row.shape->path, memory_.early()[destination]), row.cap, access.bandwidth);
    // A kernel with more than one netem on an interface refuses to duplicate (6.16, and the
    // stable kernels of summer 2025); the classifier can.
    if (classifier_) wanted.netem.duplicate = 0;
    tcal.shape_destination(row.destination, uplink, wanted);
    if (const auto most = segments_at_once(row.shape->path)) tcal.limit_segments(*most);
    if (row.has_chances()) {
        flows_.may_lose(key);
        local.memory->rows()[destination].may_lose = true;
    }
    filter(local, destination, class_id(row.destination));
    local.opening.push_back(destination);
}

void NetemPlane::commit(LocalHost& local) {
    local.tcal->commit();
    for (const std::uint32_t destination : std::exchange(local.opening, {})) {
        open(local, destination);
    }
}

void NetemPlane::open(LocalHost& local, std::uint32_t destination) {
    Row& row = local.rows[destination];
    row.open = true;
    local.memory->rows()[destination].destination = row.destination;
    if (!classifier_) return;
    const PathShape& path = row.shape->path;
    netem_row& shared = local.source->rows[destination];
    shared.duplicate = netem_chance(path.duplicate);
    shared.overhead = row.overhead();
    // The last: now it counts.
    std::atomic_ref<std::uint32_t>{shared.classid}.store(class_id(row.destination),
                                                         std::memory_order_release);
}

void NetemPlane::close(LocalHost& local, std::uint32_t destination, bool at_once) {
    Row& row = local.rows[destination];
    row.open = false;
    local.memory->rows()[destination].destination = 0;
    const FlowKey key{local.host, HostId{destination}};
    Duration rest{};
    if (classifier_) {
        std::atomic_ref<std::uint32_t>{local.source->rows[destination].classid}.store(
            0, std::memory_order_release);
        if (!flows_.knows(key)) return;  // nothing has ever entered
    }
    if (!at_once) {
        const NetemShape& netem = local.tcal->shape_of(row.destination).netem;
        rest = netem.delay + 4 * netem.jitter;
    }
    flushes_.emplace(monotonic_now() + rest, Flush{key, row.destination});
    wait_for_flushes();
}

void NetemPlane::wait_for_flushes() {
    if (flushes_.empty()) return;
    flush_timer_.expires_at(steady(flushes_.begin()->first));
    flush_timer_.async_wait(lifeline_.guard([this] { flush_due(); }));
}

void NetemPlane::flush_due() {
    std::set<HostId> touched;
    while (!flushes_.empty() && flushes_.begin()->first <= monotonic_now()) {
        const Flush due = flushes_.begin()->second;
        flushes_.erase(flushes_.begin());
        LocalHost* const local = find(due.flow.source);
        // Opened again before: what waited then goes on.
        if (local == nullptr || local->rows[due.flow.destination.value].open) continue;
        local->tcal->drop_waiting(due.destination);
        touched.insert(due.flow.source);
    }
    for (const HostId host : touched) find(host)->tcal->commit();
    wait_for_flushes();
}

void NetemPlane::set_caps(std::vector<FlowCap> caps) {
    std::set<HostId> touched;
    for (const FlowCap& one : caps) {
        LocalHost* const local = find(one.flow.source);
        if (local == nullptr) continue;
        PLEAT_ASSERT(one.flow.destination.value < local->rows.size());
        Row& row = local->rows[one.flow.destination.value];
        row.cap = one.cap;
        local->memory->rows()[one.flow.destination.value].set_cap(one.cap);
        if (!row.shape || row.destination == 0) continue;
        const PathShape& path = row.shape->path;
        local->tcal->change_bandwidth(row.destination,
                                      class_shape(std::min(path.bandwidth, one.cap),
                                                  row.shape->uplink.bandwidth, path.overhead));
        touched.insert(one.flow.source);
    }
    for (const HostId host : touched) find(host)->tcal->commit();
}

void NetemPlane::cut(HostId host) {
    PLEAT_ASSERT(host.value < unplugged_.size());
    unplug(host);
    LocalHost* const local = find(host);
    if (local == nullptr) return;
    local->memory->is_cut() = true;
    const TcMessages& messages = local->tcal->messages();
    if (classifier_) {
        local->tcal->request(
            "drop what comes in",
            messages.program(false, classifier_->cut_program(), "pleat_cut", local->place));
    } else {
        // Where act_gact is missing: nothing is sent to it any more; what is between two
        // hosts at this moment arrives.
        local->tcal->request_quietly(messages.ingress_drop());
    }
    local->tcal->commit();
}

void NetemPlane::connect(HostId host) {
    PLEAT_ASSERT(host.value < unplugged_.size());
    if (LocalHost* const local = find(host)) {
        local->memory->is_cut() = false;
        const TcMessages& messages = local->tcal->messages();
        local->tcal->request_quietly(classifier_ ? messages.remove_program(false)
                                                 : messages.remove_ingress_drop());
        local->tcal->commit();
    }
    plug(host);
}

void NetemPlane::give_early(const std::vector<HostId>& destinations, Duration early) {
    std::vector<std::uint32_t> changed;
    for (const HostId destination : destinations) {
        Duration& now = memory_.early()[destination.value];
        if (std::chrono::abs(early - now) < kWorthARequest) continue;
        now = early;
        changed.push_back(destination.value);
    }
    if (changed.empty()) return;
    for (const auto& [host, local] : locals_) {
        for (const std::uint32_t destination : changed) {
            if (local->rows[destination].open) refresh(*local, destination);
        }
        commit(*local);
    }
}

void NetemPlane::unplug(HostId host) {
    unplugged_[host.value] = true;
    for (const auto& [source, local] : locals_) {
        if (source == host) {
            for (std::uint32_t i = 0; i < local->rows.size(); ++i) refresh(*local, i);
        } else {
            refresh(*local, host.value);
        }
        commit(*local);
    }
    flush_due();
}

void NetemPlane::plug(HostId host) {
    unplugged_[host.value] = false;
    for (const auto& [source, local] : locals_) {
        if (source == host) {
            for (std::uint32_t i = 0; i < local->rows.size(); ++i) {
                if (!local->rows[i].open) refresh(*local, i);
            }
        } else if (!local->rows[host.value].open) {
            refresh(*local, host.value);
        }
        commit(*local);
    }
}

void NetemPlane::wait_for_events() {
    events_readable_.async_wait(
        boost::asio::posix::stream_descriptor::wait_read, lifeline_.guard([this] {
            wait_for_events();
            std::vector<std::pair<FlowKey, Instant>> starts;
            classifier_->events().take<netem_event>([&](const netem_event& event) {
                if (event.source >= places_.size() || !places_[event.source]) return;
                starts.emplace_back(FlowKey{*places_[event.source], HostId{event.destination}},
                                    Instant{Duration{static_cast<std::int64_t>(event.at_ns)}});
            });
            for (const auto& [flow, at] : starts) start(flow, at);
        }));
}

void NetemPlane::wait_for_poll(Duration pause) {
    poll_timer_.expires_after(pause);
    poll_timer_.async_wait(lifeline_.guard([this] { poll_for_starts(); }));
}

void NetemPlane::poll_for_starts() {
    const Instant from = monotonic_now();
    for (const auto& [host, local] : locals_) {
        for (const std::uint32_t one : local->started(from, kIdle)) {
            start({host, HostId{one}}, from);
        }
    }
    if (!locals_.empty()) {
        wait_for_poll(std::max(kPoll, kPollShare * (monotonic_now() - from)));
    }
}

void NetemPlane::start(FlowKey flow, Instant at) {
    const LocalHost* const local = find(flow.source);
    const bool has_chances =
        local != nullptr && (local->rows[flow.destination.value].has_chances() ||
                             local->memory->rows()[flow.destination.value].may_lose);
    std::optional<Bandwidth> left_cap;
    if (left_flows_.erase(flow) > 0 && local != nullptr) {
        left_cap = local->rows[flow.destination.value].cap;
    }
    report_(FlowStarted{.flow = flow,
                        .at = at,
                        .counters = flows_.start(flow, at, has_chances),
                        .left_cap = left_cap});
}

void NetemPlane::read_counters(Instant now) {
    if (is_adopted_ && !has_reported_left_) return;
    flows_.read([this](HostId host) { return find(host); }, now);
    if (classifier_) return;
    dropped_ = {};
    for (const auto& [host, local] : locals_) {
        const Tcal::Dropped dropped = local->tcal->dropped();
        dropped_.unknown += dropped.unknown;
        dropped_.unreachable += dropped.unreachable;
    }
}

PlaneTotals NetemPlane::totals() const {
    PlaneTotals totals = flows_.totals();
    totals.unknown_destination_drops = dropped_.unknown;
    totals.unreachable_drops += dropped_.unreachable;
    totals.interfaces_lost = interfaces_lost_;
    if (classifier_) {
        const netem_totals& kernel = classifier_->totals();
        totals.packets_in = kernel.packets_in;
        // Of paths where nothing ever passed, too.
        totals.unreachable_drops =
            std::max<std::uint64_t>(totals.unreachable_drops, kernel.unreachable_drops);
        totals.unknown_destination_drops = kernel.unknown_destination;
        totals.malformed_drops = kernel.malformed_drops;
    }
    return totals;
}

}  // namespace

std::unique_ptr<DataPlane> open_netem_plane(PlaneContext context, NetemOptions options) {
    return std::make_unique<NetemPlane>(std::move(context), options);
}

}  // namespace pleat
