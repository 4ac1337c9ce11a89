// InterfaceWatch: tells when an interface of some network namespace is gone, and when somebody, we
// among others, has changed what its packets pass.
//
// (1) The kernel lets only news of this interface through to the socket. What it loses all the same
//     (ENOBUFS) is asked for: the interface is there or gone, and counts as changed.
#pragma once

#include <functional>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "base/lifeline.hh"
#include "node/netlink/route_socket.hh"

namespace pleat {

class InterfaceWatch {
  public:
    // Called from the loop; each may destroy the watch.
    struct Outputs {
        std::function<void()> gone;  // once; nothing comes after it
        // The root qdisc, clsact or one of its filters: made, changed or removed. `inner`: or a
        // filter of the root qdisc was removed.
        std::function<void(bool inner)> changed;
    };

    // Throws Failure.
    InterfaceWatch(boost::asio::io_context& loop, int network_namespace, int index,
                   Outputs outputs);
    InterfaceWatch(const InterfaceWatch&) = delete;
    InterfaceWatch& operator=(const InterfaceWatch&) = delete;
    ~InterfaceWatch();

  private:
    struct News {
        bool gone = false;
        bool changed = false;
        bool inner = false;
        bool lost = false;      // some are missing
        bool answered = false;  // to ask()
    };

    void wait();
    void tell(const News& news);
    News read();
    void read_waiting(News& news);
    void take(const char* bytes, std::size_t size, News& news) const;
    void ask(News& news);

    RouteSocket socket_;
    int index_;
    std::uint32_t asked_ = 0;  // the sequence number of ask()
    Outputs outputs_;
    boost::asio::posix::stream_descriptor readable_;
    Lifeline lifeline_;
};

}  // namespace pleat
