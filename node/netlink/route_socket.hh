// RouteSocket: rtnetlink in one network namespace, which the caller need not be in.
// Messages are libnl's; what libnl has no call for is appended to them as attributes.
#pragma once

#include <memory>
#include <string>

struct nl_msg;
struct nl_sock;

namespace pleat {

struct NetlinkRelease {
    void operator()(nl_msg* message) const;
    void operator()(nl_sock* socket) const;
};

using NetlinkMessage = std::unique_ptr<nl_msg, NetlinkRelease>;

class RouteSocket {
  public:
    // The namespace by its descriptor; without one, that of the calling thread. Throws.
    explicit RouteSocket(int network_namespace = -1);

    // For libnl's own calls.
    nl_sock* handle() const { return socket_.get(); }

    // A request of this type (RTM_…) and flags (NLM_F_…; request and ack are added).
    // Asserts that there is memory.
    static NetlinkMessage message(int type, int flags);

    // Sends it and waits for its acknowledgement. Returns 0 or an errno (positive), with
    // what the kernel said about it in why().
    int try_to(nl_msg* message);

    // The same; throws Failure "cannot ATTEMPT: reason (what the kernel said)".
    void perform(const std::string& attempt, nl_msg* message);

    const std::string& why() const { return why_; }

    // 0: there is none of this name.
    int interface_index(const std::string& name);

  private:
    std::unique_ptr<nl_sock, NetlinkRelease> socket_;
    std::string why_;
};

}  // namespace pleat
