// Traffic between hosts that is made and measured in this process: starting a program takes
// 0.05 s in User Mode Linux. A socket belongs to the namespace in which it was opened,
// whichever thread uses it.
//
// Times of arrival are the kernel's (SO_TIMESTAMPNS): that this process is late to read
// a packet does not count.
#pragma once

#include <atomic>
#include <optional>
#include <thread>

#include "tests/dataplane/test_host.hh"

namespace pleat::testing {

// Datagrams from one host to another.
struct Stream {
    const TestHost* from;
    const TestHost* to;
    int count = 100;                                   // sends; each makes `segments` datagrams
    Duration interval = std::chrono::milliseconds{1};  // zero: as fast as possible
    int payload = 100;                                 // bytes of each datagram; at least 32
    int segments = 1;  // more: UDP_SEGMENT, they leave the socket as one packet
    bool v6 = false;
    bool checksum = true;  // without (IPv4), corrupted ones arrive
};

struct Arrival {
    int number;        // the how manieth of the stream that was sent
    Instant sent;      // what the sender wrote into it
    Duration one_way;  // until the receiver's kernel had it
    bool damaged;      // its payload is not what was sent
};

struct StreamResult {
    std::vector<Arrival> arrivals;  // in their order
    int send_errors = 0;            // what the sender was told

    // Sorted.
    std::vector<Duration> one_way_times() const;

    // By number, how often each arrived.
    std::vector<int> copies(int sent) const;
};

// Sends them all at the same time; ends when all has arrived, or when nothing has for
// `patience` after the last was sent.
std::vector<StreamResult> exchange(const std::vector<Stream>& streams,
                                   Duration patience = std::chrono::milliseconds{300});

struct Echoes {
    const TestHost* from;
    std::string address;  // of either version
    int count = 1;
    Duration interval = std::chrono::milliseconds{10};
    int payload = 56;
};

// Round-trip times of ICMP echoes, sorted; of those that were lost none. Who answers is
// the other host's kernel.
std::vector<Duration> ping(const Echoes& echoes,
                           Duration patience = std::chrono::milliseconds{500});

// A TCP connection that sends as much as it can from its construction on: congestion
// control cubic where that is allowed.
class TcpTransfer {
  public:
    TcpTransfer(const TestHost& from, const TestHost& to, bool v6 = false);
    TcpTransfer(TcpTransfer&&) = delete;
    ~TcpTransfer();

    // In order: what lies behind a loss is received with what fills the gap, and stands in no
    // relation to the time in between.
    std::uint64_t received() const { return received_; }

    // With data, that have arrived, in whatever order.
    std::uint32_t arrived_segments() const;

    std::uint32_t retransmissions() const;

  private:
    FileDescriptor sender_;
    FileDescriptor receiver_;
    std::atomic<std::uint64_t> received_{0};
    std::thread send_;
    std::thread receive_;
};

// UDP at a constant rate (of layer-2 bytes) from its construction on, never faster: of what it was
// late with at most 2 ms are made good.
class UdpBlast {
  public:
    UdpBlast(const TestHost& from, const TestHost& to, Bandwidth rate, int payload = 1000);
    UdpBlast(UdpBlast&&) = delete;
    ~UdpBlast();

    std::uint64_t sent() const { return sent_; }

    std::uint64_t received() const { return received_; }

    // What the sender was told of losses: nothing, one hopes.
    std::uint64_t send_errors() const { return send_errors_; }

  private:
    FileDescriptor sender_;
    FileDescriptor receiver_;
    std::atomic<bool> end_{false};
    std::atomic<std::uint64_t> sent_{0};
    std::atomic<std::uint64_t> received_{0};
    std::atomic<std::uint64_t> send_errors_{0};
    std::thread send_;
    std::thread receive_;
};

}  // namespace pleat::testing
