// WayMeasurement: what the real network between this machine and another one is like. The two
// ends greet each other as the tunnels of runs do, so that nobody else can take part; then one
// leads and the other answers:
//
//     leads    GREET -> PING (kRoundTrips times) -> SEND a burst -> ASK what came of it (twice)
//                    -> have one sent and TAKE it (twice) -> tell, and say goodbye
//     answers  GREET -> does as it is asked, until goodbye or kPatience is over
//
// (1) A burst is at most kBurstTime or kBurstBytes, whichever is over first. The first of a
//     direction is as quick as it can be; into a narrow way it is over so soon that little comes of
//     it to judge by, so the second is paced by what the first has shown (model/way_quality).
// (2) What is lost is asked for again; pings and bursts are not, for that is what is measured.
// (3) It has a thread of its own: bursts are as quick as one processor is, and the daemon's
//     timers wait for nothing. What comes of it is handed to the daemon's loop.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>

#include "base/file_descriptor.hh"
#include "base/result.hh"
#include "model/way_quality.hh"
#include "node/dataplane/tunnel/settings.hh"

namespace pleat {

struct WayToMeasure {
    std::string peer;                         // for messages
    boost::asio::ip::udp::endpoint endpoint;  // of the peer's end
    TunnelKey key{};
    bool leads = false;
    bool rates = false;
};

class WayMeasurement {
  public:
    static constexpr int kRoundTrips = 20;
    static constexpr Duration kBurstTime = std::chrono::milliseconds{500};
    static constexpr std::int64_t kBurstBytes = 64 << 20;
    // All of it, at the most.
    static constexpr Duration kPatience = std::chrono::seconds{15};

    // What came of it. Of the one that answers: a quality that says nothing.
    using Ended = std::function<void(Result<WayQuality>)>;

    // `socket`: of open_tunnel_end(). `ended` is called once, in the loop, unless this is
    // destroyed before.
    WayMeasurement(boost::asio::io_context& loop, FileDescriptor socket, const WayToMeasure& order,
                   Ended ended);
    // Gives up at once.
    ~WayMeasurement();
    WayMeasurement(const WayMeasurement&) = delete;
    WayMeasurement& operator=(const WayMeasurement&) = delete;

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace pleat
