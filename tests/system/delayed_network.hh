// DelayedNetwork: joins network namespaces by a network of the test's own that holds each packet
// for a while, and may be narrow: the real network between machines that are far apart.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.hh"
#include "base/file_descriptor.hh"
#include "model/units.hh"

namespace pleat::system_test {

// Between any two machines, in each direction.
struct Road {
    Duration one_way{};               // how long each packet takes
    std::optional<Bandwidth> rate{};  // of IP packets, with 100 ms of room for those that wait
    std::optional<int> mtu{};         // of the machines' interfaces
};

class DelayedNetwork {
  public:
    explicit DelayedNetwork(const Road& road);
    ~DelayedNetwork();
    DelayedNetwork(const DelayedNetwork&) = delete;
    DelayedNetwork& operator=(const DelayedNetwork&) = delete;

    // Makes a TUN device in the namespace, which must be given the address (10.99.0.N) afterwards.
    // Before start().
    void add(const std::string& network_namespace, const std::string& interface, std::uint8_t last);

    void start();

  private:
    struct Packet {
        int to;
        std::vector<std::uint8_t> bytes;
    };

    void run();
    void take(int from);

    Road road_;
    std::map<std::uint8_t, FileDescriptor> ends_;  // by the last byte of the address
    std::multimap<Instant, Packet> under_way_;     // by when they come
    std::map<std::pair<int, int>, Instant> free_;  // by direction: when the road is free again
    FileDescriptor stop_;
    std::thread thread_;
};

}  // namespace pleat::system_test
