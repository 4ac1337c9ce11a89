// DelayedNetwork: joins network namespaces by a network of the test's own that holds each packet
// for a while: the real network between machines that are far apart.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.hh"
#include "base/file_descriptor.hh"

namespace pleat::system_test {

class DelayedNetwork {
  public:
    // `one_way`: how long each packet takes.
    explicit DelayedNetwork(Duration one_way);
    ~DelayedNetwork();
    DelayedNetwork(const DelayedNetwork&) = delete;
    DelayedNetwork& operator=(const DelayedNetwork&) = delete;

    // Makes a TUN device in the namespace, which must be given the address (10.99.0.N) afterwards.
    // Before start().
    void add(const std::string& network_namespace, const std::string& interface, std::uint8_t last);

    void start();

  private:
    struct Packet {
        Instant due;
        int to;
        std::vector<std::uint8_t> bytes;
    };

    void run();
    void take(int from);

    Duration one_way_;
    std::map<std::uint8_t, FileDescriptor> ends_;  // by the last byte of the address
    std::deque<Packet> under_way_;                 // in order
    FileDescriptor stop_;
    std::thread thread_;
};

}  // namespace pleat::system_test
