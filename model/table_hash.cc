#include "model/table_hash.hh"

#include <bit>

namespace pleat {

namespace {

// Takes in numbers one after the other; their order matters.
class Hash {
  public:
    explicit Hash(std::uint64_t seed) : value_{seed} {}

    Hash& add(std::uint64_t number) {
        value_ = scramble(value_ + 0x9e3779b97f4a7c15) ^ number;
        return *this;
    }

    Hash& add(Duration d) { return add(static_cast<std::uint64_t>(d.count())); }

    // By the bits of the double; adding 0.0 makes one zero of the two.
    Hash& add(Probability p) { return add(std::bit_cast<std::uint64_t>(p.value() + 0.0)); }

    std::uint64_t value() const { return scramble(value_); }

  private:
    std::uint64_t value_;
};

}  // namespace

std::uint64_t sizes_hash(std::size_t links, std::size_t trees, std::size_t bridges) {
    return Hash{0x73697a65}.add(links).add(trees).add(bridges).value();
}

std::uint64_t link_hash(LinkId link, const LinkState& state) {
    const LinkProperties& p = state.properties;
    Hash hash{0x6c696e6b};
    hash.add(link.value).add(std::uint64_t{state.up});
    hash.add(p.latency).add(p.jitter).add(static_cast<std::uint64_t>(p.distribution));
    hash.add(p.loss).add(p.reorder).add(p.duplicate).add(p.corrupt);
    hash.add(std::uint64_t{p.burst_loss.has_value()});
    if (p.burst_loss) {
        hash.add(p.burst_loss->p).add(p.burst_loss->r).add(p.burst_loss->h).add(p.burst_loss->k);
    }
    hash.add(static_cast<std::uint64_t>(p.bandwidth.bits_per_second()));
    hash.add(static_cast<std::uint64_t>(p.queue.kind));
    hash.add(static_cast<std::uint64_t>(p.queue.amount));
    hash.add(static_cast<std::uint64_t>(std::int64_t{p.overhead.bytes_per_packet}));
    return hash.value();
}

std::uint64_t partitions_hash(std::span<const Sides> partitions) {
    Hash hash{0x73696465};
    hash.add(partitions.size());
    for (const Sides& sides : partitions) {
        hash.add(sides.size());
        for (const std::uint32_t side : sides) hash.add(side);
    }
    return hash.value();
}

std::uint64_t tree_hash(TreeId tree, const Parents& parents) {
    std::uint64_t sum = 0;
    for (std::uint32_t b = 0; b < parents.size(); ++b) {
        sum += parent_hash(tree, BridgeId{b}, parents[b]);
    }
    return sum;
}

}  // namespace pleat
