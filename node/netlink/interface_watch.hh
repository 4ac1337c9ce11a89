// InterfaceWatch: tells when an interface of some network namespace is gone.
#pragma once

#include <functional>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "base/lifeline.hh"
#include "node/netlink/route_socket.hh"

namespace pleat {

class InterfaceWatch {
  public:
    // `gone` is called once, from the loop; it may destroy the watch. Throws.
    InterfaceWatch(boost::asio::io_context& loop, int network_namespace, int index,
                   std::function<void()> gone);
    InterfaceWatch(const InterfaceWatch&) = delete;
    InterfaceWatch& operator=(const InterfaceWatch&) = delete;
    ~InterfaceWatch();

  private:
    void wait();
    bool read_that_it_is_gone();

    RouteSocket socket_;
    int index_;
    std::function<void()> gone_;
    boost::asio::posix::stream_descriptor readable_;
    Lifeline lifeline_;
};

}  // namespace pleat
