// The one file that sees pugixml. It knows where elements begin; where their attributes
// stand is found again in the text. Entities of a document type are not expanded.
#include <algorithm>
#include <utility>

#include <pugixml.hpp>

#include "readers/text_problem.hh"
#include "readers/xml_element.hh"

namespace pleat {

namespace {

constexpr int kDeepest = 16;

bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

class TreeBuilder {
  public:
    TreeBuilder(std::uint32_t source, Report& report)
        : source_{source}, report_{&report}, text_{report.text(source)} {}

    XmlElement element(const pugi::xml_node& node, int depth) {
        XmlElement result;
        result.name = node.name();
        // pugixml points at the name, after the '<'.
        std::size_t at = static_cast<std::size_t>(std::max<std::ptrdiff_t>(node.offset_debug(), 0));
        result.place = report_->place(source_, at > 0 ? at - 1 : 0);
        at += result.name.size();
        for (const pugi::xml_attribute& attribute : node.attributes()) {
            add_attribute(attribute, at, result);
        }
        if (depth >= kDeepest) {
            if (node.first_child()) {
                report_->error(result.place, "limit", "elements are nested too deeply");
            }
            return result;
        }
        for (const pugi::xml_node& child : node.children()) {
            if (child.type() == pugi::node_element) {
                result.children.push_back(element(child, depth + 1));
            }
        }
        return result;
    }

  private:
    // Reads `name = "value"` from `at` on, as pugixml did, for its places.
    void add_attribute(const pugi::xml_attribute& attribute, std::size_t& at, XmlElement& element) {
        XmlAttribute result{attribute.name(), attribute.value(), element.place, element.place};
        while (at < text_.size() && is_blank(text_[at])) ++at;
        if (text_.substr(at).starts_with(result.name)) {
            result.name_place = report_->place(source_, at);
            at += result.name.size();
            while (at < text_.size() && (is_blank(text_[at]) || text_[at] == '=')) ++at;
            if (at < text_.size() && (text_[at] == '"' || text_[at] == '\'')) {
                const char quote = text_[at++];
                result.value_place = report_->place(source_, at);
                const auto end = text_.find(quote, at);
                at = end == std::string_view::npos ? text_.size() : end + 1;
            }
        }
        if (element.find(result.name) != nullptr) {
            report_->error(result.name_place, "duplicate-key",
                           "the attribute '" + result.name + "' stands here twice");
            return;
        }
        // "&#xD800;" is no character.
        if (first_not_text(result.value) != std::string::npos) {
            report_->error(result.value_place, "xml", "this is no UTF-8 text");
            return;
        }
        element.attributes.push_back(std::move(result));
    }

    std::uint32_t source_;
    Report* report_;
    std::string_view text_;
};

}  // namespace

const XmlAttribute* XmlElement::find(std::string_view attribute) const {
    const auto found = std::ranges::find(attributes, attribute, &XmlAttribute::name);
    return found == attributes.end() ? nullptr : &*found;
}

std::vector<const XmlElement*> XmlElement::all(std::string_view child) const {
    std::vector<const XmlElement*> result;
    for (const XmlElement& element : children) {
        if (element.name == child) result.push_back(&element);
    }
    return result;
}

std::optional<XmlElement> parse_xml(std::uint32_t source, Report& report) {
    const std::string& text = report.text(source);
    if (const auto bad = first_not_text(text); bad != std::string::npos) {
        report.error(report.place(source, bad), "xml", "this is no UTF-8 text");
        return std::nullopt;
    }
    pugi::xml_document document;
    // UTF-8 always: a guess at another encoding would move all places.
    const pugi::xml_parse_result status =
        document.load_buffer(text.data(), text.size(), pugi::parse_default, pugi::encoding_utf8);
    if (!status) {
        const auto offset = std::min(
            static_cast<std::size_t>(std::max<std::ptrdiff_t>(status.offset, 0)), text.size());
        std::string why = status.description();
        const bool capital = !why.empty() && why[0] >= 'A' && why[0] <= 'Z';
        if (capital) why[0] = static_cast<char>(why[0] - 'A' + 'a');
        report.error(report.place(source, offset), "xml", "this is no XML: " + why);
        return std::nullopt;
    }
    const pugi::xml_node root = document.document_element();
    if (!root) {
        report.error(Place{source, 1, 1}, "empty", "the file has no element");
        return std::nullopt;
    }
    return TreeBuilder{source, report}.element(root, 0);
}

}  // namespace pleat
