// RequestBatch: many netlink requests in few system calls. They are carried out in order;
// each is acknowledged.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <linux/netlink.h>

#include "node/netlink/route_socket.hh"

namespace pleat {

class RequestBatch {
  public:
    struct Refusal {
        std::size_t request = 0;  // by its place
        int error = 0;            // errno
        std::string why;          // the kernel's words; may be empty
    };

    using Answer = std::function<void(const nlmsghdr&)>;

    // Makes the socket's buffers large enough and its acknowledgements short.
    static void prepare(RouteSocket& socket);

    // Returns its place.
    std::size_t add(NetlinkMessage request);

    bool empty() const { return requests_.empty(); }

    std::size_t size() const { return requests_.size(); }

    // Sends all, and leaves the batch empty. `answer` gets what the kernel answers beside
    // acknowledgements. When the kernel has no room for answers (ENOBUFS) what was not
    // acknowledged is sent again, in smaller parts: requests must bear that. Throws Failure
    // when the kernel can't be talked to.
    std::vector<Refusal> send(RouteSocket& socket, const Answer& answer = {});

  private:
    std::vector<NetlinkMessage> requests_;
};

// One dump request; throws Failure.
void dump(RouteSocket& socket, NetlinkMessage request, const RequestBatch::Answer& answer);

}  // namespace pleat
