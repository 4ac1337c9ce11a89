#include "model/link_properties.hh"

namespace pleat {

LinkProperties merged(LinkProperties properties, const LinkPatch& patch) {
    if (patch.latency) properties.latency = *patch.latency;
    if (patch.jitter) properties.jitter = *patch.jitter;
    if (patch.distribution) properties.distribution = *patch.distribution;
    if (patch.loss) {
        properties.loss = *patch.loss;
        properties.burst_loss.reset();
    }
    if (patch.burst_loss) {
        properties.burst_loss = patch.burst_loss;
        properties.loss = Probability{};
    }
    if (patch.reorder) properties.reorder = *patch.reorder;
    if (patch.duplicate) properties.duplicate = *patch.duplicate;
    if (patch.corrupt) properties.corrupt = *patch.corrupt;
    if (patch.bandwidth) properties.bandwidth = *patch.bandwidth;
    if (patch.queue) properties.queue = *patch.queue;
    if (patch.overhead) properties.overhead = *patch.overhead;
    return properties;
}

LinkPatch without(LinkPatch patch, const LinkPatch& named) {
    if (named.latency) patch.latency.reset();
    if (named.jitter) patch.jitter.reset();
    if (named.distribution) patch.distribution.reset();
    if (named.loss || named.burst_loss) {
        patch.loss.reset();
        patch.burst_loss.reset();
    }
    if (named.reorder) patch.reorder.reset();
    if (named.duplicate) patch.duplicate.reset();
    if (named.corrupt) patch.corrupt.reset();
    if (named.bandwidth) patch.bandwidth.reset();
    if (named.queue) patch.queue.reset();
    if (named.overhead) patch.overhead.reset();
    return patch;
}

}  // namespace pleat
