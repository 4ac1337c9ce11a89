// XmlElement: an XML document as a tree in which every part knows where it stands.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "readers/report.hh"

namespace pleat {

struct XmlAttribute {
    std::string name;
    std::string value;
    Place name_place;
    Place value_place;
};

struct XmlElement {
    std::string name;
    Place place;
    std::vector<XmlAttribute> attributes;
    std::vector<XmlElement> children;  // elements only

    const XmlAttribute* find(std::string_view attribute) const;

    std::vector<const XmlElement*> all(std::string_view child) const;
};

// The root element. Nothing, and an error in the report, when the text is no XML. Also
// reports an attribute that stands twice.
std::optional<XmlElement> parse_xml(std::uint32_t source, Report& report);

}  // namespace pleat
