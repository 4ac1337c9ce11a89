#include "node/dataplane/netem/u32_filters.hh"

namespace pleat {

void U32Filters::make(Tcal& tcal) const {
    const TcMessages& messages = tcal.messages();
    const std::uint32_t rest = pass_unknown_ ? kDefaultClass : kUnknownClass;
    for (const bool v6 : {false, true}) {
        tcal.request("make a table of u32 filters", messages.u32_table(v6));
        tcal.request("make a hash of u32 filters", messages.u32_hash(v6));
        tcal.request("make a u32 filter", messages.u32_rest(v6, rest));
    }
    tcal.request("make a u32 filter", messages.u32_arp());
    tcal.request("make a u32 filter", messages.u32_others(rest));
    // Neighbour discovery (RFC 4861) and reports of its groups (RFC 3810).
    for (const int type : {133, 134, 135, 136, 137, 131, 132, 143}) {
        const bool grouped = type < 133 || type > 137;
        tcal.request("make a u32 filter",
                     messages.u32_neighbours(static_cast<std::uint8_t>(type), grouped));
    }
}

void U32Filters::lead(Tcal& tcal, HostId destination, std::uint32_t classid) const {
    const TcMessages& messages = tcal.messages();
    // Those of a bucket of 256 are numbered from 1.
    const auto item = static_cast<std::uint16_t>(destination.value / 256 + 1);
    tcal.request("make a u32 filter",
                 messages.u32_destination(addresses_.ipv4(destination), classid, item));
    tcal.request("make a u32 filter",
                 messages.u32_destination(addresses_.ipv6(destination), classid, item));
    if (outside_ == destination) {
        tcal.request("make a u32 filter", messages.u32_rest(false, classid));
    }
}

}  // namespace pleat
