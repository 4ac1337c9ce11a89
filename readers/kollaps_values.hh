// The numbers of Kollaps' XML: milliseconds, seconds and fractions without a unit, rates
// such as 10Mbps. Read strictly; the original misreads "1.5Mbps" as 5 Mbps.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hh"
#include "model/units.hh"
#include "readers/xml_element.hh"

namespace pleat {

class KollapsValues {
  public:
    explicit KollapsValues(Report& report) : report_{&report} {}

    Report& report() const { return *report_; }

    // The attribute; reports when it is missing.
    const XmlAttribute* required(const XmlElement& element, std::string_view name) const;

    // All give nothing when there is no such attribute, or a bad one, which they report.
    std::optional<Duration> milliseconds(const XmlElement& element, std::string_view name) const;
    std::optional<Duration> seconds(const XmlElement& element, std::string_view name) const;
    std::optional<Bandwidth> rate(const XmlElement& element, std::string_view name) const;
    std::optional<Probability> fraction(const XmlElement& element, std::string_view name) const;
    std::optional<std::int64_t> count(const XmlElement& element, std::string_view name,
                                      std::int64_t least, std::int64_t most) const;

    // Exactly "true" counts; others are `usual`.
    static bool flag(const XmlElement& element, std::string_view name, bool usual);

  private:
    std::optional<Duration> decimal(const XmlElement& element, std::string_view name, Duration unit,
                                    std::string_view form) const;
    void refuse(const XmlAttribute& attribute, const std::string& why,
                const std::string& suggest = {}) const;

    Report* report_;
};

}  // namespace pleat
