// NetemPlane: hosts, tables and counters. Which packets may pass, and when, is netem_rows.
#include "node/dataplane/netem/netem_plane.hh"

#include <algorithm>
#include <map>
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
#include "node/dataplane/netem/flow_starts.hh"
#include "node/dataplane/netem/local_host.hh"
#include "node/dataplane/netem/netem_rows.hh"
#include "node/dataplane/netem/plane_memory.hh"
#include "node/dataplane/netem/prepared_tables.hh"
#include "node/dataplane/netem/row_folder.hh"
#include "node/dataplane/netem/tcal.hh"
#include "node/dataplane/netem/u32_filters.hh"
#include "node/repeating_timer.hh"

namespace pleat {

namespace {

PlaneMemory memory_of(PlaneContext& context) {
    const std::size_t hosts = context.folder.topology().hosts().size();
    const auto left = context.left.find(kNetemMemory);
    if (left == context.left.end()) return PlaneMemory{hosts};
    return PlaneMemory{hosts, std::move(left->second)};
}

FileDescriptor pins_of(PlaneContext& context) {
    const auto pins = context.left.extract(kNetemPins);
    return pins ? std::move(pins.mapped()) : FileDescriptor{};
}

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

    void set_caps(std::vector<FlowCap> caps) override { rows_.set_caps(caps); }

    void read_counters(Instant now) override;
    void cut(HostId host) override;
    void connect(HostId host) override;

    void give_early(const std::vector<HostId>& destinations, Duration early) override {
        rows_.give_early(destinations, early);
    }

    PlaneTotals totals() const override;

  private:
    std::size_t hosts() const { return folder_.topology().hosts().size(); }

    std::unique_ptr<Classifier> opened_classifier(const PlaneContext& context);
    void take_source(LocalHost& local, bool goes_on);
    void attach_classifier(LocalHost& local) const;
    void guard(LocalHost& local, int network_namespace);

    LocalHost* find(HostId host) const { return find_local(locals_, host); }

    void wait_for_rows();
    void limit_segments(HostId host, const Rows& rows);
    void wait_for_prepared();
    void switch_due();
    void switch_to(PreparedTable prepared);

    const PathFolder& folder_;
    std::uint64_t seed_;
    NetemOptions options_;
    std::string mark_;  // of the run
    std::function<void(PlaneReport)> report_;
    PlaneMemory memory_;
    bool is_adopted_;      // it goes on with what an earlier one left
    FileDescriptor pins_;  // of the classifier
    std::unique_ptr<Classifier> classifier_;
    U32Filters filters_;  // without it
    LocalHosts locals_;
    FlowStarts::Places places_;
    std::shared_ptr<const PathTable> table_;  // in force
    PreparedTables prepared_;
    RowFolder row_folder_;
    FlowBook flows_;
    NetemRows rows_;
    FlowStarts starts_;
    Tcal::Dropped dropped_;  // without BPF
    std::uint64_t interfaces_lost_ = 0;
    boost::asio::io_context& loop_;
    boost::asio::posix::stream_descriptor rows_readable_;
    boost::asio::steady_timer switch_timer_;
    Lifeline lifeline_;
};

NetemPlane::NetemPlane(PlaneContext context, NetemOptions options)
    : folder_{context.folder},
      seed_{context.seed},
      options_{options},
      mark_{"pleat " + context.run},
      report_{std::move(context.report)},
      memory_{memory_of(context)},
      is_adopted_{context.left.contains(kNetemMemory)},
      pins_{pins_of(context)},
      classifier_{opened_classifier(context)},
      filters_{context.addresses, options.pass_unknown},
      row_folder_{context.folder},
      rows_{context.loop, hosts(), classifier_ != nullptr, locals_, memory_, filters_, flows_},
      starts_{context.loop,
              classifier_.get(),
              is_adopted_,
              locals_,
              places_,
              flows_,
              [this](FlowStarted started) { report_(std::move(started)); }},
      loop_{context.loop},
      rows_readable_{context.loop, row_folder_.fd()},
      switch_timer_{context.loop} {
    wait_for_rows();
}

std::map<std::string, int> NetemPlane::leaves() const {
    if (!classifier_) return {{kNetemMemory, memory_.descriptor()}};
    if (!pins_.open()) return {};
    return {{kNetemMemory, memory_.descriptor()}, {kNetemPins, pins_.value()}};
}

// Nothing: without BPF.
std::unique_ptr<Classifier> NetemPlane::opened_classifier(const PlaneContext& context) {
    if (is_adopted_) {
        if (!pins_.open()) return {};  // as the earlier one
        check_bpffs(pins_, context.run);
        return std::make_unique<Classifier>(hosts(), path_of(pins_));
    }
    if (options_.without_bpf) return {};
    std::unique_ptr<Classifier> classifier;
    try {
        if (const std::string missing = missing_for_bpf(); !missing.empty()) throw Failure{missing};
        classifier = std::make_unique<Classifier>(context.addresses, hosts(), options_.pass_unknown,
                                                  FlowStarts::kIdle, false, context.bare_metal);
    } catch (const Failure& error) {
        // u32 filters know no ports.
        if (context.bare_metal) throw MissingFeature{error.what()};
        const std::string why = error.what();  // the rest is libbpf's and the verifier's
        log::info("netem works without BPF, with u32 filters why=\"{}\"",
                  why.substr(0, why.find('\n')));
        return {};
    }
    try {
        pins_ = open_private_bpffs(context.run);
        classifier->pin_in(path_of(pins_));
    } catch (const std::exception& error) {
        pins_.close();
        log::warn(R"(a node daemon that dies could not be replaced reason="{}")", error.what());
    }
    return classifier;
}

NetemPlane::~NetemPlane() {
    if (options_.leave) {
        for (const auto& [host, local] : locals_) local->tcal->leave();
    }
    // The folder owns it.
    rows_readable_.release();
}

void NetemPlane::add_host(HostPort port) {
    auto* const attachment = std::get_if<KernelInterface>(&port.attachment);
    PLEAT_ASSERT(attachment != nullptr);
    PLEAT_ASSERT(port.host.value < hosts() && find(port.host) == nullptr);
    constexpr std::size_t kMost = kLastDestination - kFirstDestination + 1;
    if (hosts() > kMost) {
        throw Failure{"the netem plane has room for " + std::to_string(kMost) +
                      " hosts (an HTB holds at most 65,535 classes, and each needs two qdiscs "
                      "beside); this topology has " +
                      std::to_string(hosts())};
    }
    auto local = std::make_unique<LocalHost>();
    local->host = port.host;
    local->rows.resize(hosts());
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
        local->seen.resize(hosts());
        if (!goes_on) filters_.make(*local->tcal);
        if (locals_.empty()) starts_.first_host_comes();
    }
    local->tcal->commit();
    LocalHost& added = *local;
    locals_[port.host] = std::move(local);
    guard(added, attachment->network_namespace.value());
    if (goes_on) rows_.flush_closed(added);
    if (table_) {
        Rows rows = rows_of(folder_, *table_, port.host);
        for (std::uint32_t i = 0; i < rows.size(); ++i) rows_.shape(added, i, rows[i]);
        rows_.commit(added);
    }
    if (added.memory->is_cut()) {
        rows_.unplug(port.host);
    } else {
        rows_.plug(port.host);
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

void NetemPlane::remove_host(HostId host) {
    PLEAT_ASSERT(host.value < hosts());
    if (LocalHost* const local = find(host)) {
        read_counters(monotonic_now());
        if (classifier_) {
            classifier_->remove_source(*local->source);
            places_[local->place].reset();
        }
        flows_.host_gone(host);
        locals_.erase(host);
    }
    rows_.unplug(host);
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
        for (std::uint32_t i = 0; i < rows.size(); ++i) rows_.shape(*local, i, rows[i]);
    }
    for (const auto& [host, local] : locals_) rows_.commit(*local);
    report_(TableActivated{.version = table_->version(),
                           .epoch = table_->epoch(),
                           .planned = prepared.when,
                           .actual = monotonic_now()});
    starts_.table_in_force();
}

void NetemPlane::cut(HostId host) {
    PLEAT_ASSERT(host.value < hosts());
    rows_.unplug(host);
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
    PLEAT_ASSERT(host.value < hosts());
    if (LocalHost* const local = find(host)) {
        local->memory->is_cut() = false;
        const TcMessages& messages = local->tcal->messages();
        local->tcal->request_quietly(classifier_ ? messages.remove_program(false)
                                                 : messages.remove_ingress_drop());
        local->tcal->commit();
    }
    rows_.plug(host);
}

void NetemPlane::read_counters(Instant now) {
    if (!starts_.begun()) return;
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
