// Links and the topology.
#include <algorithm>
#include <vector>

#include "scenario.pb.h"
#include "wire/scenario_codec.hh"

namespace pleat::codec {

namespace {

// As readers have it: sums along any path stay far from the longest Duration.
constexpr Duration kLongestLatency = std::chrono::hours{1};
constexpr const char* kUnknownDistribution = "an unknown distribution of jitter";
constexpr std::uint32_t kDistributions = 3;
constexpr std::uint32_t kQueueKinds = 4;

// 0 stands for "unlimited" on the wire, and only there.
std::int64_t number(Bandwidth bandwidth) {
    return bandwidth.is_unlimited() ? 0 : bandwidth.bits_per_second();
}

Bandwidth bandwidth(std::int64_t bits_per_second, Refusal& refusal) {
    const bool right = refusal.require(bits_per_second >= 0, "a bandwidth that is negative");
    if (!right || bits_per_second == 0) return Bandwidth::unlimited();
    return Bandwidth::bits_per_second(bits_per_second);
}

Duration latency(std::int64_t nanoseconds, Refusal& refusal) {
    const bool right = nanoseconds >= 0 && nanoseconds <= kLongestLatency.count();
    refusal.require(right, "a latency or jitter that is not from 0 to 1 h");
    return Duration{right ? nanoseconds : 0};
}

void put(const GilbertElliott& loss, proto::GilbertElliott& out) {
    out.set_p(loss.p.value());
    out.set_r(loss.r.value());
    out.set_h(loss.h.value());
    out.set_k(loss.k.value());
}

GilbertElliott gilbert_elliott(const proto::GilbertElliott& in, Refusal& refusal) {
    return {.p = probability(in.p(), refusal),
            .r = probability(in.r(), refusal),
            .h = probability(in.h(), refusal),
            .k = probability(in.k(), refusal)};
}

void put(QueueLimit queue, proto::QueueLimit& out) {
    out.set_kind(static_cast<std::uint32_t>(queue.kind));
    out.set_amount(queue.amount);
}

QueueLimit queue_limit(const proto::QueueLimit& in, Refusal& refusal) {
    QueueLimit queue;
    queue.kind =
        enumeration<QueueLimit::Kind>(in.kind(), kQueueKinds, "an unknown kind of queue", refusal);
    if (refusal.require(in.amount() >= 0, "a queue of negative length")) queue.amount = in.amount();
    return queue;
}

Overhead overhead(std::int32_t bytes, Refusal& refusal) {
    const bool right = refusal.require(bytes >= 0, "an overhead that is negative");
    return Overhead{.bytes_per_packet = right ? bytes : 0};
}

template <typename Texts>
std::vector<std::string> texts(const Texts& in) {
    return {in.begin(), in.end()};
}

}  // namespace

void put(const LinkProperties& properties, proto::LinkProperties& out) {
    out.set_latency_ns(properties.latency.count());
    out.set_jitter_ns(properties.jitter.count());
    out.set_distribution(static_cast<std::uint32_t>(properties.distribution));
    out.set_loss(properties.loss.value());
    if (properties.burst_loss) put(*properties.burst_loss, *out.mutable_burst_loss());
    out.set_reorder(properties.reorder.value());
    out.set_duplicate(properties.duplicate.value());
    out.set_corrupt(properties.corrupt.value());
    out.set_bandwidth_bits_per_second(number(properties.bandwidth));
    if (properties.queue != QueueLimit{}) put(properties.queue, *out.mutable_queue());
    out.set_overhead_bytes_per_packet(properties.overhead.bytes_per_packet);
}

LinkProperties link_properties(const proto::LinkProperties& in, Refusal& refusal) {
    LinkProperties properties;
    properties.latency = latency(in.latency_ns(), refusal);
    properties.jitter = latency(in.jitter_ns(), refusal);
    properties.distribution = enumeration<JitterDistribution>(in.distribution(), kDistributions,
                                                              kUnknownDistribution, refusal);
    properties.loss = probability(in.loss(), refusal);
    if (in.has_burst_loss()) properties.burst_loss = gilbert_elliott(in.burst_loss(), refusal);
    properties.reorder = probability(in.reorder(), refusal);
    properties.duplicate = probability(in.duplicate(), refusal);
    properties.corrupt = probability(in.corrupt(), refusal);
    properties.bandwidth = bandwidth(in.bandwidth_bits_per_second(), refusal);
    if (in.has_queue()) properties.queue = queue_limit(in.queue(), refusal);
    properties.overhead = overhead(in.overhead_bytes_per_packet(), refusal);
    return properties;
}

void put(const LinkPatch& patch, proto::LinkPatch& out) {
    if (patch.latency) out.set_latency_ns(patch.latency->count());
    if (patch.jitter) out.set_jitter_ns(patch.jitter->count());
    if (patch.distribution) {
        out.set_distribution(static_cast<std::uint32_t>(*patch.distribution));
    }
    if (patch.loss) out.set_loss(patch.loss->value());
    if (patch.burst_loss) put(*patch.burst_loss, *out.mutable_burst_loss());
    if (patch.reorder) out.set_reorder(patch.reorder->value());
    if (patch.duplicate) out.set_duplicate(patch.duplicate->value());
    if (patch.corrupt) out.set_corrupt(patch.corrupt->value());
    if (patch.bandwidth) out.set_bandwidth_bits_per_second(number(*patch.bandwidth));
    if (patch.queue) put(*patch.queue, *out.mutable_queue());
    if (patch.overhead) out.set_overhead_bytes_per_packet(patch.overhead->bytes_per_packet);
}

LinkPatch link_patch(const proto::LinkPatch& in, Refusal& refusal) {
    LinkPatch patch;
    if (in.has_latency_ns()) {
        patch.latency = latency(in.latency_ns(), refusal);
    }
    if (in.has_jitter_ns()) patch.jitter = latency(in.jitter_ns(), refusal);
    if (in.has_distribution()) {
        patch.distribution = enumeration<JitterDistribution>(in.distribution(), kDistributions,
                                                             kUnknownDistribution, refusal);
    }
    if (in.has_loss()) patch.loss = probability(in.loss(), refusal);
    if (in.has_burst_loss()) patch.burst_loss = gilbert_elliott(in.burst_loss(), refusal);
    if (in.has_reorder()) patch.reorder = probability(in.reorder(), refusal);
    if (in.has_duplicate()) patch.duplicate = probability(in.duplicate(), refusal);
    if (in.has_corrupt()) patch.corrupt = probability(in.corrupt(), refusal);
    if (in.has_bandwidth_bits_per_second()) {
        patch.bandwidth = bandwidth(in.bandwidth_bits_per_second(), refusal);
    }
    if (in.has_queue()) patch.queue = queue_limit(in.queue(), refusal);
    if (in.has_overhead_bytes_per_packet()) {
        patch.overhead = overhead(in.overhead_bytes_per_packet(), refusal);
    }
    return patch;
}

void put(const Topology& topology, proto::Topology& out) {
    for (const Host& host : topology.hosts()) {
        proto::Host& added = *out.add_hosts();
        added.set_name(host.name);
        added.set_group(host.group);
        added.set_replica(host.replica);
        added.set_replicated(host.replicated);
        for (const std::string& tag : host.tags) added.add_tags(tag);
    }
    for (const Bridge& bridge : topology.bridges()) {
        proto::Bridge& added = *out.add_bridges();
        added.set_name(bridge.name);
        added.set_label(bridge.label);
        added.set_hidden(bridge.hidden);
        for (const std::string& tag : bridge.tags) added.add_tags(tag);
    }
    for (const Link& link : topology.links()) {
        proto::Link& added = *out.add_links();
        added.set_from_vertex(link.from.value);
        added.set_to_vertex(link.to.value);
        added.set_name(link.name);
        for (const std::string& tag : link.tags) added.add_tags(tag);
        put(link.properties, *added.mutable_properties());
        added.set_up(link.up);
    }
}

Topology topology(const proto::Topology& in, Refusal& refusal) {
    TopologyBuilder builder;
    std::vector<Host> hosts;
    std::vector<Bridge> bridges;
    std::vector<Link> links;
    std::vector<std::string> names;  // by vertex
    for (const proto::Host& host : in.hosts()) {
        hosts.push_back({.name = host.name(),
                         .group = host.group(),
                         .replica = host.replica(),
                         .replicated = host.replicated(),
                         .tags = texts(host.tags())});
        names.push_back(host.name());
        builder.add(hosts.back());
    }
    for (const proto::Bridge& bridge : in.bridges()) {
        bridges.push_back({.name = bridge.name(),
                           .label = bridge.label(),
                           .hidden = bridge.hidden(),
                           .tags = texts(bridge.tags())});
        names.push_back(bridge.name());
        builder.add(bridges.back());
    }
    for (const proto::Link& link : in.links()) {
        if (!refusal.require(link.from_vertex() < names.size() && link.to_vertex() < names.size(),
                             "a link whose end does not exist")) {
            return {};
        }
        links.push_back({.from = VertexId{link.from_vertex()},
                         .to = VertexId{link.to_vertex()},
                         .name = link.name(),
                         .tags = texts(link.tags()),
                         .properties = link_properties(link.properties(), refusal),
                         .up = link.up()});
        const Link& added = links.back();
        builder.add_link(names[added.from.value], names[added.to.value], added.properties,
                         added.name, added.tags, added.up);
    }
    if (refusal.any()) return {};
    Result<Topology> built = std::move(builder).build();
    if (!built) {
        refusal.require(false, built.error().message);
        return {};
    }
    const bool same = std::ranges::equal(built->hosts(), hosts) &&
                      std::ranges::equal(built->bridges(), bridges) &&
                      std::ranges::equal(built->links(), links);
    if (!refusal.require(same, "a topology that is not in the order of its ids")) return {};
    return *std::move(built);
}

}  // namespace pleat::codec
