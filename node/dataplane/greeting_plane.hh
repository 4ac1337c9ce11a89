// GreetingPlane: a kernel plane on one of several machines. What its hosts send to other machines
// goes by VXLAN (node/underlay), which neither says how long that takes nor whether the other is
// there. So the ends of a tunnel greet each other beside it: hello by hello, authenticated with the
// key of the pair, in the loop's thread; no packet of a host goes through it.
//
// (1) peers() is what the greetings say. A datagram that got through was as large as it says.
// (2) What set_underlay_latency() says of a machine is passed on as give_early() of its hosts.
#pragma once

#include <memory>

#include <boost/asio/io_context.hpp>

#include "node/dataplane/data_plane.hh"

namespace pleat {

std::unique_ptr<DataPlane> open_greeting_plane(boost::asio::io_context& loop,
                                               std::unique_ptr<DataPlane> kernel_plane,
                                               TunnelSettings tunnel);

}  // namespace pleat
