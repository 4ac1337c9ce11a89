// U32Filters: without BPF, what leads packets to the classes of their destinations: a hash on the
// last byte of the address, for IPv4 and for IPv6, on each interface.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "model/addressing.hh"
#include "node/dataplane/netem/tcal.hh"

namespace pleat {

class U32Filters {
  public:
    // `pass_unknown`: what is for no host passes, unshaped; else it is dropped.
    U32Filters(AddressPlan addresses, bool pass_unknown)
        : addresses_{std::move(addresses)}, pass_unknown_{pass_unknown} {}

    // What is for no IPv4 host goes with this destination from now on; for interfaces that it is
    // led on.
    void set_outside(HostId host) { outside_ = host; }

    // The tables of one interface, with no destination yet. Requests; the caller commits.
    void make(Tcal& tcal) const;

    void lead(Tcal& tcal, HostId destination, std::uint32_t classid) const;

  private:
    AddressPlan addresses_;
    bool pass_unknown_;
    std::optional<HostId> outside_;
};

}  // namespace pleat
