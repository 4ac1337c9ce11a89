// Numbers with units, as people write them: "1m30s", "1.5Mbps", "64KiB", "0.1%".
//
// (1) Decimals are read exactly, never through a floating-point number.
// (2) Whatever is printed here is read back equal.
// (3) A spelling that two tools read differently (MBps, mbps, Mbit) is refused.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hh"
#include "model/units.hh"

namespace pleat {

// "5ms", "1.5s", "10us", "1m30s", "2h". Zero or more.
Result<Duration> parse_duration(std::string_view text);

// "128kbps", "1.5Gbps", "10Mbit/s", "unlimited".
Result<Bandwidth> parse_bandwidth(std::string_view text);

// "1500B", "256KB" (1000), "64KiB" (1024). One byte or more.
Result<DataSize> parse_size(std::string_view text);

// "0.1%" or "0.001".
Result<Probability> parse_probability(std::string_view text);

// A whole number, digits only, from `least` to `most`. `what` names it in the error.
Result<std::int64_t> parse_whole(std::string_view text, std::string_view what, std::int64_t least,
                                 std::int64_t most);

std::string to_text(Duration duration);
std::string to_text(Bandwidth bandwidth);
std::string to_text(DataSize size);
std::string to_text(Probability probability);

// What the writer of a refused rate, duration or probability probably meant ("10Mbps" for
// "10mbps"), or nothing.
std::string unit_suggestion(std::string_view text);

// Of the "5ms" kind (and not of the "5Mbps" kind)? Looks at the first unit only.
bool looks_like_duration(std::string_view text);

}  // namespace pleat
