// DelayedNetwork: joins network namespaces by a network of the test's own that holds each packet
// for a while, and may be narrow, lossy, or cut: the real network between machines that are far
// apart. It carries packets of IPv4, whatever is in them: a lost segment of TCP is sent again by
// the kernel, so to who talks by TCP loss is delay.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.hh"
#include "base/file_descriptor.hh"
#include "tests/system/road.hh"

namespace pleat::system_test {

// What has become of packets.
struct RoadCounts {
    std::uint64_t carried = 0;  // copies that arrived
    std::uint64_t lost = 0;
    std::uint64_t doubled = 0;
    std::uint64_t overtaken = 0;  // arrived after one of their direction that was sent later
    std::uint64_t cut = 0;
};

using IpPacket = std::vector<std::uint8_t>;

class DelayedNetwork {
  public:
    explicit DelayedNetwork(const Road& road, std::uint64_t seed = 1);
    ~DelayedNetwork();
    DelayedNetwork(const DelayedNetwork&) = delete;
    DelayedNetwork& operator=(const DelayedNetwork&) = delete;

    // Makes a TUN device in the namespace, which must be given the address (10.99.0.N) afterwards.
    // Before start().
    void add(const std::string& network_namespace, const std::string& interface, std::uint8_t last);

    void start();

    // From now on nothing passes between these two; those on their way arrive.
    void cut(std::uint8_t one, std::uint8_t other);
    void mend();

    RoadCounts counts() const;

    // The last thousand datagrams of UDP that set out, the oldest first.
    std::vector<IpPacket> overheard() const;
    // Puts a packet on the road, as if the machine of its source address had sent it.
    void inject(IpPacket packet);

  private:
    using Direction = std::pair<std::uint8_t, std::uint8_t>;

    struct Packet {
        Direction way;
        std::uint64_t number;  // of those of its direction
        IpPacket bytes;
    };

    void run();
    void deliver(Instant now);
    void take_all(int from);
    void take(std::span<const std::uint8_t> bytes, Instant now);
    void wake() const;

    Road road_;
    RoadDraws draws_;
    std::map<std::uint8_t, FileDescriptor> ends_;  // by the last byte of the address
    std::multimap<Instant, Packet> under_way_;     // by when they come
    std::map<Direction, Instant> free_;            // when the road is free again
    std::map<Direction, std::uint64_t> sent_;
    std::map<Direction, std::uint64_t> latest_;  // that has arrived

    mutable std::mutex mutex_;  // of what follows
    bool stopping_ = false;
    std::set<Direction> cut_;
    RoadCounts counts_;
    std::deque<IpPacket> overheard_;
    std::vector<IpPacket> injected_;

    FileDescriptor wake_;
    std::thread thread_;
};

}  // namespace pleat::system_test
