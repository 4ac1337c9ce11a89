#include "model/addressing.hh"

#include <charconv>
#include <optional>

namespace pleat {

namespace {

// A decimal number of at most `most`, without sign or leading zeros; advances `text`.
std::optional<std::uint32_t> take_number(std::string_view& text, std::uint32_t most) {
    std::uint32_t number = 0;
    const char* const begin = text.data();
    const auto [end, status] = std::from_chars(begin, begin + text.size(), number);
    const auto length = static_cast<std::size_t>(end - begin);
    if (status != std::errc{} || number > most) return std::nullopt;
    if (length > 1 && text.front() == '0') return std::nullopt;
    text.remove_prefix(length);
    return number;
}

bool take(std::string_view& text, char expected) {
    if (text.empty() || text.front() != expected) return false;
    text.remove_prefix(1);
    return true;
}

struct Range {
    std::uint32_t base = 0;
    int prefix_length = 0;

    std::uint64_t size() const { return std::uint64_t{1} << (32 - prefix_length); }

    bool overlaps(Range other) const {
        return base < other.base + other.size() && other.base < base + size();
    }
};

std::optional<Range> parse_range(std::string_view text) {
    Range range;
    for (int byte = 0; byte < 4; ++byte) {
        if (byte > 0 && !take(text, '.')) return std::nullopt;
        const auto number = take_number(text, 255);
        if (!number) return std::nullopt;
        range.base = (range.base << 8) | *number;
    }
    if (!take(text, '/')) return std::nullopt;
    const auto length = take_number(text, 32);
    if (!length || !text.empty()) return std::nullopt;
    range.prefix_length = static_cast<int>(*length);
    return range;
}

// "This network", loopback, and multicast with all above: no host can have these.
constexpr Range kNotForHosts[] = {{0x00000000, 8}, {0x7f000000, 8}, {0xe0000000, 3}};

}  // namespace

Result<std::uint32_t> parse_ipv4(std::string_view text) {
    const std::optional<Range> single = parse_range(std::string{text} + "/32");
    if (!single) {
        return fail("expected an IPv4 address such as 10.0.0.5, found '" + std::string{text} + "'");
    }
    for (const Range& reserved : kNotForHosts) {
        if (single->overlaps(reserved)) {
            return fail("no host can have the address " + std::string{text});
        }
    }
    return single->base;
}

std::array<std::uint8_t, 16> AddressPlan::ipv6(HostId host) const {
    std::array<std::uint8_t, 16> address{};
    for (std::size_t i = 0; i < run.size(); ++i) address[i] = run[i];
    const std::uint32_t number = host.value + 1;
    for (std::size_t i = 0; i < 4; ++i) {
        address[12 + i] = static_cast<std::uint8_t>(number >> (24 - 8 * i));
    }
    return address;
}

Result<AddressPlan> parse_address_plan(std::string_view text, std::size_t hosts) {
    const std::string where = "addresses '" + std::string{text} + "': ";
    const auto range = parse_range(text);
    if (!range) return fail(where + "expected an IPv4 range such as 10.0.0.0/8");
    if (range->base % range->size() != 0) {
        return fail(
            where + "expected the first address of the range, such as " +
            ipv4_text(static_cast<std::uint32_t>(range->base - range->base % range->size())) + "/" +
            std::to_string(range->prefix_length));
    }
    for (const Range reserved : kNotForHosts) {
        if (range->overlaps(reserved)) {
            return fail(where + "expected addresses that hosts can have, such as 10.0.0.0/8");
        }
    }
    // The first address names the range, the last is its broadcast.
    const std::uint64_t room = range->size() < 2 ? 0 : range->size() - 2;
    if (hosts > room) {
        return fail(where + "has room for " + std::to_string(room) + " hosts, the topology has " +
                    std::to_string(hosts));
    }
    AddressPlan plan;
    plan.base = range->base;
    plan.prefix_length = range->prefix_length;
    return plan;
}

std::string ipv4_text(std::uint32_t address) {
    std::string text;
    for (int shift = 24; shift >= 0; shift -= 8) {
        if (!text.empty()) text += '.';
        text += std::to_string((address >> shift) & 0xff);
    }
    return text;
}

// RFC 5952: lower case, no leading zeros, "::" for the first longest run of two or more
// zero groups.
std::string ipv6_text(const std::array<std::uint8_t, 16>& address) {
    std::array<unsigned, 8> groups{};
    for (std::size_t i = 0; i < 8; ++i) groups[i] = address[2 * i] * 256U + address[2 * i + 1];

    std::size_t zeros_at = 8;
    std::size_t zeros = 1;
    for (std::size_t i = 0; i < 8; ++i) {
        std::size_t length = 0;
        while (i + length < 8 && groups[i + length] == 0) ++length;
        if (length > zeros) {
            zeros_at = i;
            zeros = length;
        }
    }

    std::string text;
    for (std::size_t i = 0; i < 8; ++i) {
        if (i == zeros_at) {
            text += "::";
            i += zeros - 1;
            continue;
        }
        if (!text.empty() && text.back() != ':') text += ':';
        std::array<char, 4> digits{};
        char* const end = std::to_chars(digits.data(), digits.data() + 4, groups[i], 16).ptr;
        text.append(digits.data(), end);
    }
    return text;
}

}  // namespace pleat
