// Slices of GSO packets against a plain software segmentation that is written here anew.
#include <random>

#include <catch2/catch.hpp>

#include "node/dataplane/checksum.hh"
#include "node/dataplane/packet_pool.hh"
#include "node/dataplane/segmentation.hh"

using namespace pleat;

namespace {

using Bytes = std::vector<std::uint8_t>;

struct GsoPacket {
    VirtioHeader header;
    Bytes bytes;
    std::size_t transport = 0;  // where its header begins
    std::size_t headers = 0;
    bool v6 = false;
    bool tcp = false;
};

std::uint16_t checksum(std::span<const std::uint8_t> bytes, std::uint64_t sum = 0) {
    return static_cast<std::uint16_t>(~fold(sum + word_sum(bytes)));
}

std::uint64_t pseudo(const Bytes& packet, bool v6, bool tcp, std::size_t transport) {
    std::uint64_t sum = packet.size() - transport + (tcp ? 6U : 17U);
    const std::size_t begin = v6 ? 8 : 12;
    const std::size_t end = v6 ? 40 : 20;
    for (std::size_t i = begin; i < end; i += 2) sum += load16(&packet[i]);
    return sum;
}

// A packet as a kernel with segmentation offload would send it.
GsoPacket random_packet(std::mt19937_64& random) {
    const auto pick = [&random](std::size_t least, std::size_t most) {
        return std::uniform_int_distribution<std::size_t>{least, most}(random);
    };
    GsoPacket packet;
    packet.v6 = pick(0, 1) == 1;
    packet.tcp = pick(0, 3) > 0;
    const std::size_t options = packet.v6 ? 8 * pick(0, 2) : 4 * pick(0, 3);
    packet.transport = (packet.v6 ? 40 : 20) + options;
    packet.headers = packet.transport + (packet.tcp ? 20 + 4 * pick(0, 10) : 8);
    const std::size_t segment = pick(1, 1460);
    const std::size_t payload =
        std::min<std::size_t>(segment * pick(1, 44) + pick(1, segment), 64'000);
    packet.bytes.resize(packet.headers + payload);
    for (auto& byte : packet.bytes) byte = static_cast<std::uint8_t>(random());
    Bytes& bytes = packet.bytes;
    if (packet.v6) {
        bytes[0] = 0x60;
        bytes[6] = options > 0 ? 60 : (packet.tcp ? 6 : 17);  // destination options
        store16(&bytes[4], static_cast<std::uint32_t>(bytes.size() - 40));
    } else {
        bytes[0] = static_cast<std::uint8_t>(0x40U | (packet.transport / 4));
        bytes[9] = packet.tcp ? 6 : 17;
        store16(&bytes[2], static_cast<std::uint32_t>(bytes.size()));
        store16(&bytes[10], 0);
        store16(&bytes[10], checksum(std::span{bytes}.first(packet.transport)));
    }
    if (packet.tcp) {
        bytes[packet.transport + 12] =
            static_cast<std::uint8_t>(((packet.headers - packet.transport) / 4) << 4U);
    } else {
        store16(&bytes[packet.transport + 4],
                static_cast<std::uint32_t>(bytes.size() - packet.transport));
    }
    const std::size_t offset = packet.tcp ? 16 : 6;
    store16(&bytes[packet.transport + offset],
            fold(pseudo(bytes, packet.v6, packet.tcp, packet.transport)));
    packet.header.flags = VirtioHeader::kNeedsChecksum;
    packet.header.gso_type = packet.tcp
                                 ? (packet.v6 ? VirtioHeader::kGsoTcp6 : VirtioHeader::kGsoTcp4)
                                 : VirtioHeader::kGsoUdp;
    packet.header.gso_size = static_cast<std::uint16_t>(segment);
    packet.header.csum_start = static_cast<std::uint16_t>(packet.transport);
    packet.header.csum_offset = static_cast<std::uint16_t>(offset);
    return packet;
}

// The reference: whole packets, one a segment, with all checksums.
std::vector<Bytes> segments_of(const GsoPacket& packet) {
    std::vector<Bytes> all;
    const std::size_t payload = packet.bytes.size() - packet.headers;
    const std::size_t size = packet.header.gso_size;
    for (std::size_t begin = 0; begin < payload; begin += size) {
        const std::size_t count = std::min(size, payload - begin);
        Bytes one{packet.bytes.begin(),
                  packet.bytes.begin() + static_cast<std::ptrdiff_t>(packet.headers)};
        const auto from =
            packet.bytes.begin() + static_cast<std::ptrdiff_t>(packet.headers + begin);
        one.insert(one.end(), from, from + static_cast<std::ptrdiff_t>(count));
        if (packet.v6) {
            store16(&one[4], static_cast<std::uint32_t>(one.size() - 40));
        } else {
            store16(&one[2], static_cast<std::uint32_t>(one.size()));
            store16(&one[4], load16(&one[4]) + static_cast<std::uint32_t>(all.size()));
            store16(&one[10], 0);
            store16(&one[10], checksum(std::span{one}.first(packet.transport)));
        }
        std::uint8_t* const transport = &one[packet.transport];
        if (packet.tcp) {
            store32(transport + 4, load32(transport + 4) + static_cast<std::uint32_t>(begin));
            if (begin + count < payload) transport[13] &= 0xf6;  // FIN, PSH
            if (begin > 0) transport[13] &= 0x7f;                // CWR
        } else {
            store16(transport + 4, static_cast<std::uint32_t>(one.size() - packet.transport));
        }
        std::uint8_t* const field = transport + packet.header.csum_offset;
        store16(field, 0);
        const std::uint16_t sum = checksum(std::span{one}.subspan(packet.transport),
                                           pseudo(one, packet.v6, packet.tcp, packet.transport));
        store16(field, sum == 0 ? 0xffffU : sum);
        all.push_back(std::move(one));
    }
    return all;
}

std::span<const std::uint8_t> start_of(const GsoPacket& packet) {
    return std::span{packet.bytes}.first(std::min<std::size_t>(packet.bytes.size(), 256));
}

GsoPacket joined(const Slice& slice, const GsoPacket& whole) {
    GsoPacket out = whole;
    out.header = slice.header;
    out.bytes.assign(slice.headers.begin(),
                     slice.headers.begin() + static_cast<std::ptrdiff_t>(whole.headers));
    const auto from =
        whole.bytes.begin() + static_cast<std::ptrdiff_t>(whole.headers + slice.payload_begin);
    out.bytes.insert(out.bytes.end(), from, from + slice.payload_bytes);
    return out;
}

}  // namespace

TEST_CASE("slices are what software segmentation makes, to the last bit") {
    std::mt19937_64 random{11};
    for (int round = 0; round < 400; ++round) {
        const GsoPacket packet = random_packet(random);
        const auto ip = parse_ip(start_of(packet), packet.bytes.size());
        REQUIRE(ip);
        const auto parts = parse_segmentation(packet.header, *ip, start_of(packet));
        REQUIRE(parts);
        const std::vector<Bytes> expected = segments_of(packet);
        REQUIRE(parts->segments == expected.size());

        // Cut into slices of random lengths; each is GSO again, and is segmented in turn.
        std::vector<Bytes> actual;
        std::uint16_t first = 0;
        while (first < parts->segments) {
            const auto count = static_cast<std::uint16_t>(
                1 + random() % std::min<std::uint64_t>(9, parts->segments - first));
            const Slice slice = cut_slice(packet.header, start_of(packet), *parts, first, count);
            GsoPacket part = joined(slice, packet);
            CHECK((slice.header.gso_type == VirtioHeader::kNotGso) == (count == 1));
            if (count == 1) {
                REQUIRE(complete_checksum(slice.header, part.bytes));
                actual.push_back(part.bytes);
            } else {
                for (Bytes& one : segments_of(part)) actual.push_back(std::move(one));
            }
            first = static_cast<std::uint16_t>(first + count);
        }
        CHECK(actual == expected);
    }
}

TEST_CASE("a slice of several segments has the sum of its own pseudo header") {
    std::mt19937_64 random{12};
    const GsoPacket packet = random_packet(random);
    const auto ip = parse_ip(start_of(packet), packet.bytes.size());
    const auto parts = parse_segmentation(packet.header, *ip, start_of(packet));
    REQUIRE(parts);
    REQUIRE(parts->segments > 2);
    const GsoPacket part = joined(cut_slice(packet.header, start_of(packet), *parts, 1, 2), packet);
    CHECK(load16(&part.bytes[part.transport + part.header.csum_offset]) ==
          fold(pseudo(part.bytes, part.v6, part.tcp, part.transport)));
}

TEST_CASE("GSO headers that contradict the packet are refused") {
    std::mt19937_64 random{13};
    GsoPacket good = random_packet(random);
    while (!good.tcp || good.v6) good = random_packet(random);
    const auto parse = [](const GsoPacket& packet) {
        const auto ip = parse_ip(start_of(packet), packet.bytes.size());
        REQUIRE(ip);
        return parse_segmentation(packet.header, *ip, start_of(packet));
    };
    REQUIRE(parse(good));
    const auto refused = [&](auto spoil) {
        GsoPacket bad = good;
        spoil(bad);
        return !parse(bad);
    };
    CHECK(refused([](GsoPacket& p) { p.header.gso_type = VirtioHeader::kGsoTcp6; }));
    CHECK(refused([](GsoPacket& p) { p.header.gso_type = 3; }));
    CHECK(refused([](GsoPacket& p) { p.header.gso_size = 0; }));
    CHECK(refused([](GsoPacket& p) { p.header.flags = 0; }));
    CHECK(refused([](GsoPacket& p) { p.header.csum_start = 0; }));
    CHECK(refused([](GsoPacket& p) { p.header.csum_start = 60'000; }));
    CHECK(refused([](GsoPacket& p) { p.header.csum_offset = 6; }));
    CHECK(refused([](GsoPacket& p) { p.bytes[p.transport + 12] = 0x40; }));  // too short a header
}

TEST_CASE("no bytes make the parsers read outside a packet") {
    std::mt19937_64 random{14};
    for (int round = 0; round < 20'000; ++round) {
        GsoPacket packet = random_packet(random);
        for (int i = 0; i < 4; ++i) {
            packet.bytes[random() % std::min<std::size_t>(64, packet.bytes.size())] =
                static_cast<std::uint8_t>(random());
        }
        auto* const header = reinterpret_cast<std::uint8_t*>(&packet.header);
        header[random() % sizeof packet.header] = static_cast<std::uint8_t>(random());
        // Of its own size, so that the sanitiser sees the end.
        const Bytes start{start_of(packet).begin(), start_of(packet).end()};
        const auto ip = parse_ip(start, packet.bytes.size());
        if (!ip) continue;
        const auto parts = parse_segmentation(packet.header, *ip, start);
        if (!parts) continue;
        const std::uint16_t last = parts->segments;
        const Slice slice =
            cut_slice(packet.header, start, *parts, static_cast<std::uint16_t>(last - 1), 1);
        CHECK(parts->header_bytes + slice.payload_begin + slice.payload_bytes ==
              packet.bytes.size());
    }
}

TEST_CASE("addresses lead to hosts by arithmetic, all others to nobody") {
    const AddressPlan plan;
    const auto lookup4 = [&plan](std::uint32_t address) {
        return destination_host(IpHeader{.destination4 = address}, plan, 5);
    };
    for (std::uint32_t i = 0; i < 5; ++i) {
        CHECK(lookup4(plan.ipv4(HostId{i})) == HostId{i});
        const IpHeader v6{.v6 = true, .destination6 = plan.ipv6(HostId{i})};
        CHECK(destination_host(v6, plan, 5) == HostId{i});
    }
    CHECK_FALSE(lookup4(0x0a000000));
    CHECK_FALSE(lookup4(0x0a000006));  // one after the last
    CHECK_FALSE(lookup4(0x0affffff));  // broadcast
    CHECK_FALSE(lookup4(0xe0000001));  // multicast
    CHECK_FALSE(lookup4(0x09ffffff));
    IpHeader other{.v6 = true, .destination6 = plan.ipv6(HostId{0})};
    other.destination6[0] = 0xff;
    CHECK_FALSE(destination_host(other, plan, 5));
}

TEST_CASE("single IPv4 addresses beyond the run's range lead outside") {
    const AddressPlan plan;
    const auto outside = [&plan](std::uint32_t address) {
        return leads_outside(IpHeader{.destination4 = address}, plan);
    };
    CHECK(outside(0xc6120002));
    CHECK(outside(0x09ffffff));
    CHECK(outside(0x0b000000));
    CHECK_FALSE(outside(0x0a000006));  // no host, but in the range
    CHECK_FALSE(outside(0xe0000001));  // multicast
    CHECK_FALSE(outside(0xffffffff));  // broadcast
    CHECK_FALSE(leads_outside(IpHeader{.v6 = true, .destination4 = 0xc6120002}, plan));
}

TEST_CASE("the pool gives chunks back when the last reference ends, and keeps to its limit") {
    PacketPool pool{DataSize::bytes(256 + 1792 + 16384 + 49152) * 3};
    std::vector<std::uint32_t> packets;
    while (!pool.space().empty()) packets.push_back(pool.adopt(10 + 60'000));
    CHECK(packets.size() == 3);
    pool.hold(packets[1]);
    pool.release(packets[1]);
    CHECK(pool.space().empty());
    pool.release(packets[1]);
    REQUIRE_FALSE(pool.space().empty());
    const std::uint32_t small = pool.adopt(10 + 40);
    CHECK(pool[small].chunks[1] == nullptr);  // the larger chunks stay for the next one
    CHECK(pool[small].bytes == 40);
    CHECK(pool.packets_held() == 3);
}

TEST_CASE("a range of a packet is found in its chunks") {
    PacketPool pool{DataSize::bytes(1 << 20)};
    const std::span<const iovec> space = pool.space();
    std::uint8_t value = 0;
    for (const iovec& chunk : space.subspan(1)) {
        for (std::size_t i = 0; i < chunk.iov_len; ++i) {
            static_cast<std::uint8_t*>(chunk.iov_base)[i] = static_cast<std::uint8_t>(value++ * 7);
        }
    }
    const std::uint32_t packet = pool.adopt(10 + 60'000);
    for (const auto& [begin, count] : std::vector<std::pair<std::size_t, std::size_t>>{
             {0, 60'000}, {100, 50}, {2000, 100}, {2048, 10}, {18'000, 30'000}, {59'999, 1}}) {
        std::array<iovec, PacketPool::kChunks> pieces;
        const std::size_t used = PacketPool::pieces(pool[packet], begin, count, pieces);
        std::size_t at = begin;
        for (std::size_t i = 0; i < used; ++i) {
            const auto* bytes = static_cast<const std::uint8_t*>(pieces[i].iov_base);
            for (std::size_t j = 0; j < pieces[i].iov_len; ++j, ++at) {
                if (bytes[j] != static_cast<std::uint8_t>(at * 7)) FAIL("at " << at);
            }
        }
        CHECK(at == begin + count);
    }
}
