// SourceNeeds: what the rows of one host ask of its interface.
#pragma once

#include <cstdint>
#include <span>

#include "bpf/shared/edt.h"

namespace pleat {

struct SourceNeeds {
    // How many packets its fq must be able to hold: all that the host's paths can have under
    // way and waiting, in the smallest packets, for the program alone decides what is
    // dropped. A power of two, so that small changes of a topology change nothing. It
    // costs nothing until packets are really there.
    std::uint32_t packet_limit = 1U << 14;
    // Segments of a packet may meet different fates: one segment a packet.
    bool chances = false;

    friend bool operator==(const SourceNeeds&, const SourceNeeds&) = default;
};

SourceNeeds needs_of(std::span<const edt_path> paths);

// What satisfies both.
SourceNeeds either(const SourceNeeds& a, const SourceNeeds& b);

}  // namespace pleat
