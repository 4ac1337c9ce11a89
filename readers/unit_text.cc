#include "readers/unit_text.hh"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>
#include <vector>

#include "readers/decimal.hh"

namespace pleat {

namespace {

struct Unit {
    std::string_view name;
    std::int64_t scale;
};

// From large to small, as compound durations are written.
constexpr std::array kDurationUnits{
    Unit{"h", 3'600'000'000'000}, Unit{"m", 60'000'000'000}, Unit{"s", 1'000'000'000},
    Unit{"ms", 1'000'000},        Unit{"us", 1'000},         Unit{"ns", 1}};

constexpr std::array kRateUnits{Unit{"Tbps", 1'000'000'000'000},
                                Unit{"Gbps", 1'000'000'000},
                                Unit{"Mbps", 1'000'000},
                                Unit{"kbps", 1'000},
                                Unit{"bps", 1},
                                Unit{"Tbit/s", 1'000'000'000'000},
                                Unit{"Gbit/s", 1'000'000'000},
                                Unit{"Mbit/s", 1'000'000},
                                Unit{"kbit/s", 1'000},
                                Unit{"bit/s", 1}};

constexpr std::array kDecimalSizes{Unit{"TB", 1'000'000'000'000}, Unit{"GB", 1'000'000'000},
                                   Unit{"MB", 1'000'000}, Unit{"KB", 1'000}, Unit{"B", 1}};

constexpr std::array kBinarySizes{Unit{"TiB", std::int64_t{1} << 40}, Unit{"GiB", 1 << 30},
                                  Unit{"MiB", 1 << 20}, Unit{"KiB", 1 << 10}};

constexpr std::string_view kDurationForm =
    "expected a duration such as 5ms (ns, us, ms, s, m or h)";
constexpr std::string_view kRateForm =
    "expected a rate in bits, such as 10Mbps (bps, kbps, Mbps, Gbps or Tbps)";
constexpr std::string_view kSizeForm =
    "expected a size such as 1500B (B, KB, MB, GB of 1000, or KiB, MiB, GiB of 1024)";
constexpr std::string_view kProbabilityForm = "expected a chance such as 0.1% or 0.001";

tl::unexpected<Error> refuse(std::string_view text, std::string_view why) {
    return fail("'" + std::string{text} + "': " + std::string{why});
}

std::optional<std::int64_t> scale_of(std::span<const Unit> units, std::string_view name) {
    const auto found = std::ranges::find(units, name, &Unit::name);
    if (found == units.end()) return std::nullopt;
    return found->scale;
}

bool begins_with_number(std::string_view text) {
    return !text.empty() && text.front() >= '0' && text.front() <= '9';
}

bool negative(std::string_view text) {
    return text.size() > 1 && text.front() == '-' && begins_with_number(text.substr(1));
}

// The letters at the front of `text` ("ms" of "ms500us").
std::string_view take_unit(std::string_view& text) {
    const auto* const end = std::ranges::find_if(text, [](char c) { return c >= '0' && c <= '9'; });
    const auto unit = text.substr(0, static_cast<std::size_t>(end - text.begin()));
    text.remove_prefix(unit.size());
    return unit == "\u00b5s" || unit == "\u03bcs" ? "us" : unit;
}

// One number and one unit; what it is called in errors, and its smallest part.
Result<std::int64_t> parse_single(std::string_view text, std::span<const Unit> units,
                                  std::string_view form, std::string_view smallest) {
    if (negative(text)) return refuse(text, "may not be negative; " + std::string{form});
    std::string_view rest = text;
    if (!begins_with_number(rest)) return refuse(text, form);
    const auto number = take_decimal(rest);
    if (!number) return refuse(text, "has too many digits; " + std::string{form});
    if (rest.empty()) return refuse(text, "has no unit; " + std::string{form});
    const auto scale = scale_of(units, rest);
    if (!scale) return refuse(text, form);
    if (too_large(*number, *scale)) return refuse(text, "is too large");
    const auto value = scaled(*number, *scale);
    if (!value) return refuse(text, "is finer than " + std::string{smallest});
    return *value;
}

std::string lower(std::string_view text) {
    std::string result{text};
    std::ranges::transform(result, result.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return result;
}

// The digits and the power of ten of the shortest text that reads back as `value`:
// 0.001 is {"1", -3}, 0.25 is {"25", -2}.
struct Shortest {
    std::string digits;
    int exponent = 0;  // of the last digit
};

Shortest shortest(double value) {
    std::array<char, 40> buffer{};
    char* const end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                    std::chars_format::scientific)
                          .ptr;
    const std::string_view text{buffer.data(), static_cast<std::size_t>(end - buffer.data())};
    const auto e = text.find('e');
    Shortest result;
    for (const char c : text.substr(0, e)) {
        if (c != '.') result.digits += c;
    }
    std::string_view exponent = text.substr(e + 1);
    if (exponent.front() == '+') exponent.remove_prefix(1);
    std::from_chars(exponent.data(), exponent.data() + exponent.size(), result.exponent);
    result.exponent -= static_cast<int>(result.digits.size()) - 1;
    return result;
}

std::string plain(const Shortest& number) {
    if (number.exponent >= 0) {
        return number.digits + std::string(static_cast<std::size_t>(number.exponent), '0');
    }
    const auto places = static_cast<std::size_t>(-number.exponent);
    if (number.digits.size() > places) {
        const std::size_t whole = number.digits.size() - places;
        return number.digits.substr(0, whole) + "." + number.digits.substr(whole);
    }
    return "0." + std::string(places - number.digits.size(), '0') + number.digits;
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
    if (negative(text)) {
        return refuse(text, "may not be negative; " + std::string{kDurationForm});
    }
    if (!begins_with_number(text)) return refuse(text, kDurationForm);
    Int128 total = 0;
    std::int64_t last_scale = std::numeric_limits<std::int64_t>::max();
    std::string_view rest = text;
    while (!rest.empty()) {
        const auto number = take_decimal(rest);
        if (!number) return refuse(text, "has too many digits; " + std::string{kDurationForm});
        const std::string_view unit = take_unit(rest);
        if (unit.empty()) return refuse(text, "has no unit; " + std::string{kDurationForm});
        const auto scale = scale_of(kDurationUnits, unit);
        if (!scale) return refuse(text, kDurationForm);
        if (*scale >= last_scale || (number->places > 0 && !rest.empty())) {
            return refuse(text, "expected units from large to small, such as 1m30s");
        }
        last_scale = *scale;
        if (too_large(*number, *scale)) return refuse(text, "is too long");
        const auto part = scaled(*number, *scale);
        if (!part) return refuse(text, "is finer than 1ns");
        total += *part;
    }
    if (total >= Duration::max().count()) return refuse(text, "is too long");
    return Duration{static_cast<std::int64_t>(total)};
}

Result<Bandwidth> parse_bandwidth(std::string_view text) {
    if (text == "unlimited") return Bandwidth::unlimited();
    const auto rate = parse_single(text, kRateUnits, kRateForm, "1bps");
    if (!rate) return tl::unexpected{rate.error()};
    if (*rate == 0) return refuse(text, "a rate is at least 1bps; `down` stops a link");
    return Bandwidth::bits_per_second(*rate);
}

Result<DataSize> parse_size(std::string_view text) {
    static const auto all_units = [] {
        std::vector<Unit> units{kDecimalSizes.begin(), kDecimalSizes.end()};
        units.insert(units.end(), kBinarySizes.begin(), kBinarySizes.end());
        units.push_back(Unit{"kB", 1'000});
        return units;
    }();
    const auto bytes = parse_single(text, all_units, kSizeForm, "1B");
    if (!bytes) return tl::unexpected{bytes.error()};
    if (*bytes == 0) return refuse(text, "expected at least 1B");
    return DataSize::bytes(*bytes);
}

Result<Probability> parse_probability(std::string_view text) {
    std::string_view number = text;
    const bool percent = number.ends_with('%');
    if (percent) number.remove_suffix(1);
    const bool digits_only = number.find_first_not_of("0123456789.e-") == std::string_view::npos;
    if (!begins_with_number(number) || !digits_only ||
        (percent && number.find('e') != std::string_view::npos)) {
        return refuse(text, kProbabilityForm);
    }
    // The percent sign moves the point before the number becomes binary.
    std::string exact{number};
    if (percent) exact += "e-2";
    double value = 0.0;
    const auto [end, status] = std::from_chars(exact.data(), exact.data() + exact.size(), value);
    if (end != exact.data() + exact.size() ||
        (status != std::errc{} && status != std::errc::result_out_of_range)) {
        return refuse(text, kProbabilityForm);
    }
    if (status == std::errc::result_out_of_range || value > 1.0) {
        return refuse(text, "a chance is from 0 to 1 (0% to 100%)");
    }
    return Probability::of(value);
}

Result<std::int64_t> parse_whole(std::string_view text, std::string_view what, std::int64_t least,
                                 std::int64_t most) {
    std::int64_t number = 0;
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (status != std::errc{} || end != text.data() + text.size() || number < least ||
        number > most || text.front() == '-') {
        return refuse(text, "expected " + std::string{what} + ", a whole number from " +
                                std::to_string(least) + " to " + std::to_string(most));
    }
    return number;
}

std::string to_text(Duration duration) {
    const std::int64_t ns = duration.count();
    if (ns < 0) return "-" + to_text(Duration{-ns});
    if (ns == 0) return "0s";
    for (const Unit& unit : kDurationUnits) {
        if (unit.name == "h" || unit.name == "m") {
            // "60s" and "90s" are clearer than "1m" among other seconds.
            const bool whole = ns % unit.scale == 0 && (unit.name == "h" || ns >= 2 * unit.scale);
            if (whole) return std::to_string(ns / unit.scale) + std::string{unit.name};
        } else if (ns >= unit.scale) {
            return decimal_text(ns, unit.scale) + std::string{unit.name};
        }
    }
    return std::to_string(ns) + "ns";
}

std::string to_text(Bandwidth bandwidth) {
    if (bandwidth.is_unlimited()) return "unlimited";
    const std::int64_t bps = bandwidth.bits_per_second();
    for (const Unit& unit : kRateUnits) {
        if (bps >= unit.scale) return decimal_text(bps, unit.scale) + std::string{unit.name};
    }
    return std::to_string(bps) + "bps";
}

std::string to_text(DataSize size) {
    const std::int64_t bytes = size.bytes();
    std::string best = std::to_string(bytes) + "B";
    for (const Unit& unit : kDecimalSizes) {
        if (bytes < unit.scale) continue;
        best = decimal_text(bytes, unit.scale) + std::string{unit.name};
        break;
    }
    for (const Unit& unit : kBinarySizes) {
        if (bytes < unit.scale || bytes % unit.scale != 0) continue;
        const std::string binary = std::to_string(bytes / unit.scale) + std::string{unit.name};
        return binary.size() < best.size() ? binary : best;
    }
    return best;
}

std::string to_text(Probability probability) {
    if (probability.value() == 0.0) return "0%";
    Shortest number = shortest(probability.value());
    // A number this small is clearer, and shorter, with its exponent.
    if (number.exponent < -18) return number.digits + "e" + std::to_string(number.exponent);
    number.exponent += 2;
    return plain(number) + "%";
}

std::string unit_suggestion(std::string_view text) {
    std::string_view unit = text;
    if (!begins_with_number(unit)) return {};
    const auto number = take_decimal(unit);
    if (!number) return {};
    const std::string_view digits = text.substr(0, text.size() - unit.size());
    if (unit.empty()) return {};
    // In bytes: name the same rate in bits.
    if (unit == "Bps" || unit == "KBps" || unit == "kBps" || unit == "MBps" || unit == "GBps") {
        const std::string bits = lower(unit.substr(0, unit.size() - 3)) + "bps";
        for (const Unit& known : kRateUnits) {
            if (lower(known.name) != bits) continue;
            const auto rate = scaled(*number, known.scale);
            if (rate && *rate > 0 && *rate < std::numeric_limits<std::int64_t>::max() / 8) {
                return to_text(Bandwidth::bits_per_second(*rate * 8));
            }
        }
        return {};
    }
    std::string wanted = lower(unit);
    if (wanted.ends_with("bit")) wanted = wanted.substr(0, wanted.size() - 3) + "bps";
    if (wanted == "sec" || wanted == "secs") wanted = "s";
    if (wanted == "min" || wanted == "mins") wanted = "m";
    if (wanted == "msec") wanted = "ms";
    if (wanted == "usec") wanted = "us";
    for (const Unit& known : kRateUnits) {
        if (lower(known.name) == wanted && known.name != unit) {
            return std::string{digits} + std::string{known.name};
        }
    }
    for (const Unit& known : kDurationUnits) {
        if (known.name == wanted && known.name != unit) {
            return std::string{digits} + std::string{known.name};
        }
    }
    return {};
}

bool looks_like_duration(std::string_view text) {
    const auto unit_at = text.find_first_not_of("-0123456789.");
    if (unit_at == std::string_view::npos || unit_at == 0) return false;
    std::string_view rest = text.substr(unit_at);
    const std::string unit = lower(take_unit(rest));
    return scale_of(kDurationUnits, unit).has_value() || unit.starts_with("sec") ||
           unit.starts_with("min") || unit == "msec" || unit == "usec";
}

}  // namespace pleat
