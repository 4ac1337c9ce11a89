#include "readers/kollaps_values.hh"

#include "readers/decimal.hh"
#include "readers/text_problem.hh"
#include "readers/unit_text.hh"

namespace pleat {

namespace {

// No link and no schedule is that slow; a year in either unit would overflow nothing.
constexpr Duration kLongest = std::chrono::hours{24 * 365};

}  // namespace

void KollapsValues::refuse(const XmlAttribute& attribute, const std::string& why,
                           const std::string& suggest) const {
    report_->error(attribute.value_place, "bad-value",
                   attribute.name + " '" + attribute.value + "': " + why, suggest);
}

const XmlAttribute* KollapsValues::required(const XmlElement& element,
                                            std::string_view name) const {
    const XmlAttribute* attribute = element.find(name);
    if (attribute == nullptr) {
        report_->error(element.place, "missing",
                       "<" + element.name + "> has no attribute '" + std::string{name} + "'");
    }
    return attribute;
}

std::optional<Duration> KollapsValues::decimal(const XmlElement& element, std::string_view name,
                                               Duration unit, std::string_view form) const {
    const XmlAttribute* attribute = element.find(name);
    if (attribute == nullptr) return std::nullopt;
    std::string_view rest = trimmed(std::string_view{attribute->value});
    const auto number = take_decimal(rest);
    if (!number || !rest.empty()) {
        const bool unit_given = number.has_value();
        std::string suggest;
        if (unit_given) suggest = attribute->value.substr(0, attribute->value.size() - rest.size());
        refuse(*attribute, "expected " + std::string{form}, suggest);
        return std::nullopt;
    }
    const auto value = scaled(*number, unit.count());
    if (!value || Duration{*value} > kLongest) {
        refuse(*attribute, value ? "this is too long" : "this is too long, or finer than 1ns");
        return std::nullopt;
    }
    return Duration{*value};
}

std::optional<Duration> KollapsValues::milliseconds(const XmlElement& element,
                                                    std::string_view name) const {
    return decimal(element, name, std::chrono::milliseconds{1},
                   "milliseconds, a number without a unit");
}

std::optional<Duration> KollapsValues::seconds(const XmlElement& element,
                                               std::string_view name) const {
    return decimal(element, name, std::chrono::seconds{1}, "seconds, a number without a unit");
}

std::optional<Bandwidth> KollapsValues::rate(const XmlElement& element,
                                             std::string_view name) const {
    const XmlAttribute* attribute = element.find(name);
    if (attribute == nullptr) return std::nullopt;
    std::string text{trimmed(std::string_view{attribute->value})};
    const auto unit = text.find_first_not_of("0123456789.");
    const std::string_view wanted =
        unit == std::string::npos ? std::string_view{} : std::string_view{text}.substr(unit);
    const bool known = wanted == "Kbps" || wanted == "Mbps" || wanted == "Gbps" || wanted == "bps";
    if (!known) {
        std::string suggest = unit_suggestion(text);
        const auto kilo = suggest.find("kbps");
        if (kilo != std::string::npos) suggest[kilo] = 'K';
        if (wanted == "kbps") suggest = text.substr(0, unit) + "Kbps";
        refuse(*attribute, "expected a rate such as 10Mbps (Kbps, Mbps or Gbps)", suggest);
        return std::nullopt;
    }
    if (wanted == "Kbps") text[unit] = 'k';
    const auto rate = parse_bandwidth(text);
    if (!rate) {
        refuse(*attribute, "expected a rate of at least 1bps, such as 10Mbps");
        return std::nullopt;
    }
    return *rate;
}

std::optional<Probability> KollapsValues::fraction(const XmlElement& element,
                                                   std::string_view name) const {
    const XmlAttribute* attribute = element.find(name);
    if (attribute == nullptr) return std::nullopt;
    const auto value = parse_probability(trimmed(std::string_view{attribute->value}));
    if (!value || attribute->value.find('%') != std::string::npos) {
        refuse(*attribute, "expected a fraction from 0 to 1 (0.1 is 10 %)");
        return std::nullopt;
    }
    return *value;
}

std::optional<std::int64_t> KollapsValues::count(const XmlElement& element, std::string_view name,
                                                 std::int64_t least, std::int64_t most) const {
    const XmlAttribute* attribute = element.find(name);
    if (attribute == nullptr) return std::nullopt;
    const auto value = parse_whole(attribute->value, "a number", least, most);
    if (value) return *value;
    report_->error(attribute->value_place, "bad-value",
                   attribute->name + " " + value.error().message);
    return std::nullopt;
}

bool KollapsValues::flag(const XmlElement& element, std::string_view name, bool usual) {
    const XmlAttribute* attribute = element.find(name);
    return attribute == nullptr ? usual : attribute->value == "true";
}

}  // namespace pleat
