// libFuzzer: whatever comes to an end of the tunnel, noise or genuine datagrams that were changed,
// cut, repeated and mixed, does no harm; and every message that comes out is one that was sent.
#include <algorithm>
#include <cstdint>
#include <set>
#include <vector>

#include "base/error.hh"
#include "tests/dataplane/tunnel_ends.hh"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace pleat;
    using namespace pleat::testing;
    TunnelEnds world{size % 2 == 0};
    if (size % 3 != 0) world.greet();
    std::vector<Datagram> datagrams;
    datagrams.reserve(world.history.size() + 20);
    std::set<Datagram> sent;
    for (const auto& [from, datagram] : world.history) datagrams.push_back(datagram);
    for (std::size_t i = 0; i < 4; ++i) {
        Datagram message(1 + i * 1700, static_cast<std::uint8_t>(i));
        for (Datagram& one : world.pack(0, message)) datagrams.push_back(std::move(one));
        sent.insert(std::move(message));
    }
    // Each step: which datagram, and what is done to it.
    while (size >= 4) {
        const std::uint8_t which = data[0];
        const std::uint8_t change = data[1];
        const std::size_t place = data[2] | std::size_t{data[3]} << 8U;
        data += 4;
        size -= 4;
        Datagram datagram;
        if (which == 0xff || datagrams.empty()) {
            const std::size_t bytes = std::min(size, place);
            datagram.assign(data, data + bytes);
            data += bytes;
            size -= bytes;
        } else {
            datagram = datagrams[which % datagrams.size()];
            if (change % 4 == 1) {
                datagram[place % datagram.size()] ^= static_cast<std::uint8_t>(change | 1);
            }
            if (change % 4 == 2) datagram.resize(place % (datagram.size() + 100));
        }
        world.now += std::chrono::milliseconds{change % 8};
        world.come(which % 5 == 0 ? 0 : 1, std::move(datagram));
        PLEAT_ASSERT(world.ends[1]->reassembly().partial() <= Reassembly::kMostPartial);
    }
    for (const Datagram& one : world.messages[1]) PLEAT_ASSERT(sent.erase(one) == 1);
    PLEAT_ASSERT(world.messages[0].empty());

    // The parts that see bytes before they are proved.
    Reassembly reassembly;
    const std::vector<std::uint8_t> rest(data, data + size);
    if (const auto header = read_header(rest)) reassembly.add(*header, rest, Instant{});
    return 0;
}
