#include "readers/decimal.hh"

#include <limits>

namespace pleat {

namespace {

constexpr int kMostDigits = 19;
constexpr int kMostPlaces = 18;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

Int128 power_of_ten(int exponent) {
    Int128 power = 1;
    for (int i = 0; i < exponent; ++i) power *= 10;
    return power;
}

}  // namespace

std::optional<Decimal> take_decimal(std::string_view& text) {
    Decimal number;
    bool any = false;
    bool point = false;
    int significant = 0;
    std::size_t i = 0;
    for (; i < text.size(); ++i) {
        if (text[i] == '.') {
            // "10..20" is a range: its dots are not part of the number.
            if (point || !any || i + 1 == text.size() || !is_digit(text[i + 1])) break;
            point = true;
            continue;
        }
        if (!is_digit(text[i])) break;
        any = true;
        if (significant > 0 || text[i] != '0') ++significant;
        if (significant > kMostDigits || number.places >= kMostPlaces) return std::nullopt;
        const Int128 digits = static_cast<Int128>(number.digits) * 10 + (text[i] - '0');
        if (digits > std::numeric_limits<std::int64_t>::max()) return std::nullopt;
        number.digits = static_cast<std::int64_t>(digits);
        if (point) ++number.places;
    }
    if (!any) return std::nullopt;
    text.remove_prefix(i);
    return number;
}

std::optional<std::int64_t> scaled(Decimal number, std::int64_t scale) {
    const Int128 product = static_cast<Int128>(number.digits) * scale;
    const Int128 divisor = power_of_ten(number.places);
    if (product % divisor != 0 || too_large(number, scale)) return std::nullopt;
    return static_cast<std::int64_t>(product / divisor);
}

bool too_large(Decimal number, std::int64_t scale) {
    const Int128 product = static_cast<Int128>(number.digits) * scale;
    return product / power_of_ten(number.places) >= std::numeric_limits<std::int64_t>::max();
}

std::string decimal_text(std::int64_t value, std::int64_t scale) {
    std::string text = std::to_string(value / scale);
    std::int64_t rest = value % scale;
    if (rest == 0) return text;
    text += '.';
    for (scale /= 10; rest != 0; scale /= 10) {
        text += static_cast<char>('0' + rest / scale);
        rest %= scale;
    }
    return text;
}

}  // namespace pleat
