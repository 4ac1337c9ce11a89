#include "node/dataplane/tunnel/tunnel.hh"

#include <algorithm>
#include <array>

#include "base/error.hh"
#include "node/dataplane/checksum.hh"
#include "node/dataplane/single_writer.hh"

namespace pleat {

namespace {

// Calls of the kernel before others have their turn: each brings up to 64 KB.
constexpr int kReadBudget = 4;

// In front of each packet: whose it is, and for whom.
constexpr std::size_t kAddressBytes = 8;
constexpr std::size_t kMostPieces = 8;

}  // namespace

TunnelTotals TunnelTally::totals() const {
    const auto read = [](const std::atomic<std::uint64_t>& counter) {
        return counter.load(std::memory_order_relaxed);
    };
    return TunnelTotals{.datagrams_out = read(datagrams_out),
                        .datagrams_in = read(datagrams_in),
                        .packets_out = read(packets_out),
                        .packets_in = read(packets_in),
                        .not_ready_drops = read(not_ready_drops),
                        .send_drops = read(send_drops),
                        .overflow_drops = read(overflow_drops),
                        .malformed_drops = read(malformed_drops),
                        .unknown_machine_drops = read(unknown_machine_drops),
                        .forged_drops = read(forged_drops),
                        .replayed_drops = read(replayed_drops),
                        .late_drops = read(late_drops),
                        .incomplete_drops = read(incomplete_drops),
                        .misdirected_drops = read(misdirected_drops)};
}

TunnelPeerState TunnelTally::state(std::size_t peer, MachineNumber machine) const {
    const Peer& tally = peers.at(peer);
    TunnelPeerState result{.machine = machine,
                           .ready = tally.ready.load(std::memory_order_relaxed),
                           .datagram_bytes = tally.datagram_bytes.load(std::memory_order_relaxed)};
    const std::int64_t round_trip = tally.round_trip_ns.load(std::memory_order_relaxed);
    if (round_trip != 0) result.round_trip = Duration{round_trip};
    return result;
}

Tunnel::Tunnel(TunnelSettings settings, TunnelTally& tally)
    : settings_{std::move(settings)}, tally_{tally}, socket_{std::move(settings_.socket)} {
    PLEAT_ASSERT(tally_.peers.size() == settings_.peers.size());
    for (const TunnelPeer& peer : settings_.peers) {
        const std::size_t index = peers_.size();
        PLEAT_ASSERT(peer.machine != settings_.machine);
        PLEAT_ASSERT(peer_of_machine_.emplace(peer.machine, index).second);
        for (const HostId host : peer.hosts) {
            PLEAT_ASSERT(peer_of_host_.emplace(host, index).second);
        }
        peers_.push_back({.link = PeerLink{{.own = settings_.machine,
                                            .peer = peer.machine,
                                            .key = peer.key,
                                            .salt = fresh_salt(),
                                            .encrypt = settings_.encrypt,
                                            .ipv6 = socket_.ipv6()}},
                          .endpoint = peer.endpoint});
    }
}

bool Tunnel::send(HostId source, HostId destination, std::span<const iovec> packet, Instant now) {
    const std::size_t index = peer_of_host_.at(destination);
    Peer& peer = peers_[index];
    std::array<std::uint8_t, kAddressBytes> addresses;
    store32(addresses.data(), source.value);
    store32(&addresses[4], destination.value);
    std::array<iovec, 1 + kMostPieces> pieces;
    PLEAT_ASSERT(packet.size() <= kMostPieces);
    pieces[0] = {addresses.data(), addresses.size()};
    std::ranges::copy(packet, pieces.begin() + 1);
    const auto batch = peer.link.pack(std::span{pieces}.first(1 + packet.size()), now);
    if (!batch) {
        add<std::uint64_t>(tally_.not_ready_drops, 1);
        return false;
    }
    const TunnelSocket::Sent sent =
        socket_.send(batch->bytes, batch->datagram_bytes, peer.endpoint);
    if (sent != TunnelSocket::Sent::all) {
        add<std::uint64_t>(tally_.send_drops, 1);
        if (sent == TunnelSocket::Sent::too_large) {
            peer.link.refused(batch->datagram_bytes);
            publish(index, now);
        }
        return false;
    }
    const std::size_t count =
        (batch->bytes.size() + batch->datagram_bytes - 1) / batch->datagram_bytes;
    add<std::uint64_t>(tally_.datagrams_out, count);
    add<std::uint64_t>(tally_.packets_out, 1);
    return true;
}

void Tunnel::receive(Instant now, const std::function<bool(const Arrival&)>& take) {
    for (int calls = 0; calls < kReadBudget; ++calls) {
        auto batch = socket_.receive();
        if (!batch) return;
        put(tally_.overflow_drops, socket_.overflows());
        do {
            const std::size_t bytes = std::min(batch->datagram_bytes, batch->bytes.size());
            handle(batch->bytes.first(bytes), *batch, now, take);
            batch->bytes = batch->bytes.subspan(bytes);
        } while (!batch->bytes.empty());
    }
}

void Tunnel::handle(std::span<std::uint8_t> datagram, const TunnelSocket::Batch& batch, Instant now,
                    const std::function<bool(const Arrival&)>& take) {
    const std::optional<DatagramHeader> header = read_header(datagram);
    if (!header) {
        add<std::uint64_t>(tally_.malformed_drops, 1);
        return;
    }
    const auto found = peer_of_machine_.find(header->sender);
    if (found == peer_of_machine_.end()) {
        add<std::uint64_t>(tally_.unknown_machine_drops, 1);
        return;
    }
    const std::size_t index = found->second;
    Peer& peer = peers_[index];
    // What measures the network says when it is sent; other packets pay for no look at the clock.
    const bool is_hello = header->kind == DatagramKind::hello;
    const Instant came = is_hello ? came_at(batch) : now;
    const PeerLink::Received received =
        peer.link.receive(datagram, *header, came, is_hello ? monotonic_now() : now);
    if (const auto given_up = peer.link.reassembly().take_given_up()) {
        add(tally_.incomplete_drops, given_up);
    }
    switch (received.verdict) {
        case PeerLink::Verdict::malformed:
            add<std::uint64_t>(tally_.malformed_drops, 1);
            return;
        case PeerLink::Verdict::forged:
            add<std::uint64_t>(tally_.forged_drops, 1);
            return;
        case PeerLink::Verdict::replayed:
            add<std::uint64_t>(tally_.replayed_drops, 1);
            return;
        case PeerLink::Verdict::late:
            add<std::uint64_t>(tally_.late_drops, 1);
            return;
        case PeerLink::Verdict::genuine:
            add<std::uint64_t>(tally_.datagrams_in, 1);
            break;
    }
    if (is_hello) {
        if (!received.answer.empty()) {
            // What is lost is asked for again.
            static_cast<void>(socket_.send(received.answer, received.answer.size(), peer.endpoint));
        }
        publish(index, now);
        return;
    }
    if (!received.message) return;
    const std::span<const std::uint8_t> message = *received.message;
    if (message.size() <= kAddressBytes) {
        add<std::uint64_t>(tally_.malformed_drops, 1);
        return;
    }
    const Arrival arrival{.source = HostId{load32(message.data())},
                          .destination = HostId{load32(&message[4])},
                          .packet = message.subspan(kAddressBytes)};
    const auto owner = peer_of_host_.find(arrival.source);
    if (owner == peer_of_host_.end() || owner->second != index || !take(arrival)) {
        add<std::uint64_t>(tally_.misdirected_drops, 1);
        return;
    }
    add<std::uint64_t>(tally_.packets_in, 1);
}

Instant Tunnel::next() const {
    Instant first = Instant::max();
    for (const Peer& peer : peers_) first = std::min(first, peer.link.next_hello());
    return first;
}

void Tunnel::greet(Instant now) {
    for (std::size_t index = 0; index < peers_.size(); ++index) {
        Peer& peer = peers_[index];
        if (peer.link.next_hello() > now) continue;
        peer.link.reassembly().expire(now);
        for (const std::vector<std::uint8_t>& hello : peer.link.hellos(monotonic_now())) {
            // Larger ones than the interface takes are refused: that is an answer, too.
            static_cast<void>(socket_.send(hello, hello.size(), peer.endpoint));
        }
        publish(index, now);
    }
}

void Tunnel::publish(std::size_t index, Instant now) {
    const PeerLink& link = peers_[index].link;
    TunnelTally::Peer& peer = tally_.peers[index];
    put(peer.datagram_bytes, static_cast<std::uint32_t>(link.datagram_bytes(now)));
    put(peer.round_trip_ns, std::int64_t{link.round_trip().value_or(Duration{}).count()});
    put(peer.ready, link.ready());
}

}  // namespace pleat
