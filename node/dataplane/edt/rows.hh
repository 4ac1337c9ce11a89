// Rows: paths and uplinks as the `edt` plane's program wants them (bpf/shared/edt.h).
//
// (1) Rates are rounded so that a path is a hair slow, never fast; other values to the
//     nearest that a row can hold.
// (2) What is not zero never becomes zero: a rare loss does not become none.
// (3) What a row can't hold becomes the most that it can: a jitter of 4.29 s, a queue of
//     4.29 GB, a delay of kLongestDelay, a rate of kSlowestRate.
#pragma once

#include "bpf/shared/edt.h"
#include "model/path.hh"

namespace pleat {

// So that the delay and a second of queue lie within the horizon of fq, 2^32 us.
constexpr Duration kLongestDelay = std::chrono::hours{1};

// So that the time of the largest GSO packet has 64 bits in the program's arithmetic.
constexpr Bandwidth kSlowestRate = Bandwidth::bits_per_second(60);

std::uint64_t time_per_byte(Bandwidth rate);
Bandwidth rate_of(std::uint64_t time_per_byte);  // as near as it can be told
std::uint32_t chance(Probability p);

// `uplink`: the place of the path's first link among the uplinks, or EDT_NO_UPLINK.
edt_path path_row(const Path& path, std::uint32_t uplink);

edt_uplink uplink_row(const LinkProperties& link);

// Segments of a GSO packet may meet different fates.
bool has_chances(const edt_path& row);

}  // namespace pleat
