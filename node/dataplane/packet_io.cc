// The packet loop's second half: from a TUN device, or the tunnel, into the engine, and out again.
#include <algorithm>

#include <sys/uio.h>

#include "node/dataplane/packet_loop.hh"
#include "node/dataplane/single_writer.hh"

namespace pleat {

namespace {

// Packets read from one host before another has its turn, and before what is due is looked
// at again: more makes the others' packets late, less costs throughput.
constexpr int kReadBudget = 4;

}  // namespace

void PacketLoop::read_port(HostId host, Instant arrival) {
    const int tun = tuns_[host.value].value();
    if (tun < 0) return;  // removed in this very turn
    for (int packets = 0; packets < kReadBudget; ++packets) {
        const std::span<const iovec> space = pool_.space();
        if (space.empty()) {
            drain_unread(tun);
            return;
        }
        const ssize_t bytes = ::readv(tun, space.data(), static_cast<int>(space.size()));
        if (bytes < 0) {
            if (errno == EINTR) continue;
            // Gone with its namespace: it would be reported for ever.
            if (errno != EAGAIN) abandon(host);
            return;
        }
        if (bytes <= static_cast<ssize_t>(sizeof(VirtioHeader))) {
            add<std::uint64_t>(tally_.packets_in, 1);
            add<std::uint64_t>(tally_.malformed_drops, 1);
            continue;
        }
        arrival = WakePlanner::arrival(arrival, monotonic_now());
        accept(host, pool_.adopt(static_cast<std::size_t>(bytes)), arrival);
    }
}

// No memory for packets is left: one packet goes.
void PacketLoop::drain_unread(int tun) {
    std::uint8_t byte = 0;
    if (::read(tun, &byte, sizeof byte) < 0 && (errno == EAGAIN || errno == EINTR)) return;
    add<std::uint64_t>(tally_.packets_in, 1);
    add<std::uint64_t>(tally_.write_drops, 1);
}

void PacketLoop::accept(HostId source, std::uint32_t index, Instant arrival) {
    PacketPool::Packet& packet = pool_[index];
    const auto drop = [&](std::atomic<std::uint64_t>& counter) {
        add<std::uint64_t>(tally_.packets_in, 1);
        add<std::uint64_t>(counter, 1);
        pool_.release(index);
    };
    const std::optional<IpHeader> ip = parse_ip(packet.start(), packet.bytes);
    if (!ip) {
        drop(tally_.malformed_drops);
        return;
    }
    std::optional<HostId> destination = destination_host(*ip, addresses_, hosts_);
    if (!destination && leads_outside(*ip, addresses_)) destination = outside_;
    if (!destination || *destination == source) {
        drop(tally_.unknown_destination_drops);
        return;
    }
    packet.source = source;
    const std::optional<SentPacket> sent = describe(index, *ip);
    if (!sent) {
        drop(tally_.malformed_drops);
        return;
    }
    add<std::uint64_t>(tally_.packets_in, sent->segments);
    engine_.arrive({source, *destination}, *sent, arrival);
}

// Nothing when it contradicts itself.
std::optional<SentPacket> PacketLoop::describe(std::uint32_t index, const IpHeader& ip) {
    PacketPool::Packet& packet = pool_[index];
    packet.ip_header_bytes = ip.bytes;
    const auto bytes = static_cast<std::int32_t>(packet.bytes);
    SentPacket sent{.packet = index,
                    .protocol = ip.protocol,
                    .segments = 1,
                    .segment_bytes = bytes,
                    .tail_bytes = bytes};
    if (packet.header.gso_type != VirtioHeader::kNotGso) {
        packet.segmentation = parse_segmentation(packet.header, ip, packet.start());
        if (!packet.segmentation) return std::nullopt;
        const Segmentation& parts = *packet.segmentation;
        const auto whole = static_cast<std::uint32_t>(parts.segments - 1) * parts.segment_bytes;
        sent.segments = parts.segments;
        sent.segment_bytes = std::int32_t{parts.header_bytes} + parts.segment_bytes;
        sent.tail_bytes =
            static_cast<std::int32_t>(parts.header_bytes + parts.payload_bytes - whole);
    }
    return sent;
}

// False when it is not for a host of ours.
bool PacketLoop::accept_remote(const Tunnel::Arrival& arrived, Instant arrival) {
    const HostId destination = arrived.destination;
    if (destination.value >= hosts_ || !tuns_[destination.value].open()) return false;
    const std::size_t bytes = arrived.packet.size();
    if (bytes <= sizeof(VirtioHeader) || bytes > sizeof(VirtioHeader) + PacketPool::kMostBytes) {
        add<std::uint64_t>(tally_.malformed_drops, 1);
        return true;
    }
    if (!pool_.fill(arrived.packet)) {
        add<std::uint64_t>(tally_.write_drops, 1);
        return true;
    }
    const std::uint32_t index = pool_.adopt(bytes);
    PacketPool::Packet& packet = pool_[index];
    packet.source = arrived.source;
    const std::optional<IpHeader> ip = parse_ip(packet.start(), packet.bytes);
    const std::optional<SentPacket> sent = ip ? describe(index, *ip) : std::nullopt;
    if (!sent) {
        add<std::uint64_t>(tally_.malformed_drops, 1);
        pool_.release(index);
        return true;
    }
    engine_.enter({arrived.source, destination}, *sent, arrival);
    return true;
}

bool PacketLoop::reaches(HostId host) const {
    return tuns_[host.value].open() || (tunnel_ && tunnel_->reaches(host));
}

void PacketLoop::deliver(const Train& train, HostId destination) {
    // What was never delayed is late by nothing that we could know.
    if (train.due > train.arrival) {
        const FineInstant now = monotonic_now();
        tally_.delivery_lateness.record(std::chrono::floor<Duration>(now - train.due));
    }
    const PacketPool::Packet& packet = pool_[train.packet];
    if (!reaches(destination)) {
        add<std::uint64_t>(tally_.write_drops, train.segments);
    } else if (train.fate.corrupt) {
        write_corrupted(train, packet, destination);
    } else {
        write_train(train, packet, destination);
    }
    pool_.release(train.packet);
}

void PacketLoop::write_train(const Train& train, const PacketPool::Packet& packet,
                             HostId destination) {
    std::array<iovec, 2 + PacketPool::kChunks> pieces;
    if (!packet.segmentation || train.segments == packet.segmentation->segments) {
        VirtioHeader header = packet.header;
        pieces[0] = {&header, sizeof header};
        const std::size_t count = PacketPool::pieces(
            packet, 0, packet.bytes, std::span{pieces}.subspan<1, PacketPool::kChunks>());
        write(packet.source, destination, std::span{pieces}.first(1 + count), train);
        return;
    }
    const Segmentation& parts = *packet.segmentation;
    Slice slice = cut_slice(packet.header, packet.start(), parts, train.first, train.segments);
    pieces[0] = {&slice.header, sizeof slice.header};
    pieces[1] = {slice.headers.data(), parts.header_bytes};
    const std::size_t count = PacketPool::pieces(
        packet, parts.header_bytes + std::size_t{slice.payload_begin}, slice.payload_bytes,
        std::span{pieces}.subspan<2, PacketPool::kChunks>());
    write(packet.source, destination, std::span{pieces}.first(2 + count), train);
}

// One bit behind the IP header is flipped. The checksum is completed before, so that the
// receiver notices, as it would on a real link.
void PacketLoop::write_corrupted(const Train& train, const PacketPool::Packet& packet,
                                 HostId destination) {
    VirtioHeader header = packet.header;
    std::array<iovec, PacketPool::kChunks> pieces;
    scratch_.clear();
    std::size_t begin = 0;
    std::size_t count = packet.bytes;
    if (packet.segmentation) {
        const Segmentation& parts = *packet.segmentation;
        const Slice slice = cut_slice(packet.header, packet.start(), parts, train.first, 1);
        header = slice.header;
        scratch_.assign(slice.headers.begin(), slice.headers.begin() + parts.header_bytes);
        begin = parts.header_bytes + std::size_t{slice.payload_begin};
        count = slice.payload_bytes;
    }
    const std::size_t used = PacketPool::pieces(packet, begin, count, pieces);
    for (const iovec& piece : std::span{pieces}.first(used)) {
        const auto* const bytes = static_cast<const std::uint8_t*>(piece.iov_base);
        scratch_.insert(scratch_.end(), bytes, bytes + piece.iov_len);
    }
    complete_checksum(header, scratch_);
    if (scratch_.size() > packet.ip_header_bytes) {
        const std::size_t bits = (scratch_.size() - packet.ip_header_bytes) * 8;
        const std::size_t bit = train.noise % bits;
        scratch_[packet.ip_header_bytes + bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    }
    header = {};
    const std::array<iovec, 2> whole{
        {{&header, sizeof header}, {scratch_.data(), scratch_.size()}}};
    write(packet.source, destination, whole, train);
}

void PacketLoop::write(HostId source, HostId destination, std::span<const iovec> pieces,
                       const Train& train) {
    const int tun = tuns_[destination.value].value();
    if (tun < 0) {
        // It counts what it drops; what it passes on is counted where it arrives.
        static_cast<void>(tunnel_->send(source, destination, pieces, monotonic_now()));
        return;
    }
    ssize_t written = 0;
    do {
        written = ::writev(tun, pieces.data(), static_cast<int>(pieces.size()));
    } while (written < 0 && errno == EINTR);
    if (written < 0) {
        add<std::uint64_t>(tally_.write_drops, train.segments);
        return;
    }
    add<std::uint64_t>(tally_.packets_out, train.segments);
    add(tally_.bytes_out, static_cast<std::uint64_t>(train.bytes(Overhead{})));
}

}  // namespace pleat
