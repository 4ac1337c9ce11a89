// Decimal: a number as it was written, exactly.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "model/units.hh"

namespace pleat {

// digits x 10^-places, at most 19 digits in all.
struct Decimal {
    std::int64_t digits = 0;
    int places = 0;
};

// Takes "12", "1.5" or "0.001" off the front of `text`. Nothing when there is no number,
// or one of more digits than anyone means.
std::optional<Decimal> take_decimal(std::string_view& text);

// number x scale, when that is whole and fits.
std::optional<std::int64_t> scaled(Decimal number, std::int64_t scale);

// Does number x scale exceed the largest that scaled() can give?
bool too_large(Decimal number, std::int64_t scale);

// value / scale in decimals, exactly: decimal_text(1500, 1000) is "1.5". The scale is a
// power of ten.
std::string decimal_text(std::int64_t value, std::int64_t scale);

}  // namespace pleat
