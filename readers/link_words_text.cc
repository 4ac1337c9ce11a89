// Printing the words of a link.
#include "readers/link_words.hh"
#include "readers/unit_text.hh"

namespace pleat {

namespace {

std::string queue_text(QueueLimit queue) {
    switch (queue.kind) {
        case QueueLimit::Kind::bdp:
            return "bdp";
        case QueueLimit::Kind::packets:
            return std::to_string(queue.amount) + "p";
        case QueueLimit::Kind::bytes:
            return to_text(DataSize::bytes(queue.amount));
        case QueueLimit::Kind::time:
            return to_text(Duration{queue.amount});
    }
    return {};
}

std::string overhead_text(Overhead overhead) {
    switch (overhead.bytes_per_packet) {
        case Overhead::kNone:
            return "none";
        case Overhead::kEthernet:
            return "ethernet";
        case Overhead::kWire:
            return "wire";
        default:
            return std::to_string(overhead.bytes_per_packet) + "B";
    }
}

const char* distribution_text(JitterDistribution distribution) {
    switch (distribution) {
        case JitterDistribution::normal:
            return "normal";
        case JitterDistribution::uniform:
            return "uniform";
        case JitterDistribution::pareto:
            return "pareto";
    }
    return "";
}

}  // namespace

std::string link_words_text(const LinkPatch& patch, const std::optional<Bandwidth>& up,
                            const std::optional<Bandwidth>& down) {
    std::string text;
    const auto add = [&text](const std::string& word) { text += (text.empty() ? "" : " ") + word; };
    if (patch.latency && patch.jitter) {
        add(to_text(*patch.latency) + "~" + to_text(*patch.jitter));
    } else if (patch.latency) {
        add(to_text(*patch.latency));
    } else if (patch.jitter) {
        add("jitter=" + to_text(*patch.jitter));
    }
    if (patch.distribution) add(std::string{"dist="} + distribution_text(*patch.distribution));
    if (patch.bandwidth) add(to_text(*patch.bandwidth));
    if (up) add("up=" + to_text(*up));
    if (down) add("down=" + to_text(*down));
    if (patch.loss) add("loss=" + to_text(*patch.loss));
    if (patch.burst_loss) {
        const GilbertElliott& burst = *patch.burst_loss;
        add("loss=gemodel(" + to_text(burst.p) + "," + to_text(burst.r) + "," + to_text(burst.h) +
            "," + to_text(burst.k) + ")");
    }
    if (patch.reorder) add("reorder=" + to_text(*patch.reorder));
    if (patch.duplicate) add("duplicate=" + to_text(*patch.duplicate));
    if (patch.corrupt) add("corrupt=" + to_text(*patch.corrupt));
    if (patch.queue) add("queue=" + queue_text(*patch.queue));
    if (patch.overhead) add("overhead=" + overhead_text(*patch.overhead));
    return text;
}

LinkPatch patch_of(const LinkProperties& properties) {
    const LinkProperties plain;
    LinkPatch patch;
    const auto differing = [](auto& field, const auto& value, const auto& usual) {
        if (value != usual) field = value;
    };
    // Always said: a link without a latency looks forgotten.
    patch.latency = properties.latency;
    differing(patch.jitter, properties.jitter, plain.jitter);
    differing(patch.distribution, properties.distribution, plain.distribution);
    differing(patch.bandwidth, properties.bandwidth, plain.bandwidth);
    differing(patch.loss, properties.loss, plain.loss);
    patch.burst_loss = properties.burst_loss;
    differing(patch.reorder, properties.reorder, plain.reorder);
    differing(patch.duplicate, properties.duplicate, plain.duplicate);
    differing(patch.corrupt, properties.corrupt, plain.corrupt);
    differing(patch.queue, properties.queue, plain.queue);
    differing(patch.overhead, properties.overhead, plain.overhead);
    return patch;
}

}  // namespace pleat
