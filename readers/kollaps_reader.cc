// Kollaps' XML topology. Where its two parsers disagree we do as the one in Rust, which
// every emulation core runs, and say so in a note.
#include <algorithm>
#include <array>

#include "readers/kollaps_schedule.hh"
#include "readers/kollaps_values.hh"
#include "readers/read_scenario.hh"
#include "readers/scenario_draft.hh"
#include "readers/shell_words.hh"
#include "readers/spelling.hh"
#include "readers/text_problem.hh"
#include "readers/xml_element.hh"
#include "readers/yaml_events.hh"
#include "readers/yaml_node.hh"

namespace pleat {

namespace {

constexpr std::int64_t kMostReplicas = 65'000;

class KollapsReader {
  public:
    KollapsReader(const std::string& name, const ReadOptions& options, const FileLoader& load,
                  Report& report)
        : options_{&options},
          load_{&load},
          report_{&report},
          values_{report},
          schedule_{values_, names_} {
        draft_.name = std::filesystem::path{name}.stem().string();
        if (options.seed) draft_.seed = *options.seed;
    }

    std::optional<Scenario> read(std::uint32_t source) {
        const auto root = parse_xml(source, *report_);
        if (!root) return std::nullopt;
        if (root->name != "experiment") {
            report_->error(root->place, "xml",
                           "<" + root->name + "> is no Kollaps topology, expected <experiment>");
            return std::nullopt;
        }
        draft_.addresses_place = Place{source, 0, 0};
        draft_.routing = Routing::hops;  // Kollaps' default
        check_children(*root);
        if (const XmlElement* config = only(*root, "config", false)) read_config(*config);
        if (const XmlElement* services = only(*root, "services", true)) read_services(*services);
        if (const XmlElement* bridges = only(*root, "bridges", false)) read_bridges(*bridges);
        const XmlElement* dynamic = only(*root, "dynamic", false);
        if (dynamic != nullptr) schedule_.read(*dynamic);
        add_hosts(dynamic != nullptr);
        if (const XmlElement* links = only(*root, "links", true)) read_links(*links);
        const YamlFields fields{*report_};
        if (options_->events_file.empty()) {
            schedule_.add_to(draft_);
        } else {
            read_events_file(*options_, *load_, fields, draft_);
        }
        for (const std::string& event : options_->extra_events) {
            read_extra_event(event, fields, draft_);
        }
        for (const auto& [name, value] : options_->variables) {
            report_->error(Place{source, 0, 0}, "unknown-variable",
                           "a Kollaps topology has no variables, so none is called '" + name + "'");
        }
        return assemble(std::move(draft_), source, *report_);
    }

  private:
    void check_children(const XmlElement& root) {
        constexpr std::array<std::string_view, 5> kKnown{"services", "bridges", "links", "dynamic",
                                                         "config"};
        for (const XmlElement& child : root.children) {
            if (std::ranges::find(kKnown, child.name) != kKnown.end()) continue;
            report_->warning(child.place, "unknown-element",
                             "<" + child.name + "> means nothing here, and is passed over",
                             nearest_word(child.name, kKnown));
        }
    }

    const XmlElement* only(const XmlElement& root, std::string_view name, bool required) {
        const auto found = root.all(name);
        if (found.empty()) {
            if (required) {
                report_->error(root.place, "missing",
                               "<experiment> has no <" + std::string{name} + ">");
            }
            return nullptr;
        }
        for (std::size_t i = 1; i < found.size(); ++i) {
            report_->error(found[i]->place, "duplicate-key",
                           "<" + std::string{name} + "> stands here twice");
        }
        return found.front();
    }

    void check_attributes(const XmlElement& element, std::span<const std::string_view> known) {
        for (const XmlAttribute& attribute : element.attributes) {
            if (std::ranges::find(known, attribute.name) != known.end()) continue;
            report_->warning(
                attribute.name_place, "unknown-key",
                "'" + attribute.name + "' means nothing in <" + element.name + ">",
                report_->patient() ? nearest_word(attribute.name, known) : std::string{});
        }
    }

    void read_config(const XmlElement& config) {
        for (const XmlElement& child : config.children) {
            if (const XmlAttribute* path = child.find("shortest_path")) {
                if (path->value == "latency") {
                    draft_.routing = Routing::latency;
                } else if (path->value != "hop") {
                    constexpr std::array<std::string_view, 2> kPaths{"hop", "latency"};
                    report_->error(path->value_place, "bad-value",
                                   "shortest_path '" + path->value + "': expected hop or latency",
                                   nearest_word(path->value, kPaths));
                }
            }
            for (const char* ignored : {"pool_period", "max_age"}) {
                if (const XmlAttribute* attribute = child.find(ignored)) {
                    report_->note(attribute->name_place, "kollaps",
                                  std::string{ignored} +
                                      " is of Kollaps' emulation loop, and means "
                                      "nothing here");
                }
            }
        }
    }

    // The name of a service or bridge; reports one that can't be used, or is used already.
    const XmlAttribute* read_name(const XmlElement& element) {
        const XmlAttribute* name = values_.required(element, "name");
        if (name == nullptr) return nullptr;
        if (!valid_name(name->value) || name->value == "localhost" || name->value == kOutsideName) {
            report_->error(name->value_place, "bad-name",
                           "'" + name->value + "': " + std::string{kNameForm});
            return nullptr;
        }
        if (names_.known(name->value)) {
            report_->error(name->value_place, "duplicate-name",
                           "the name '" + name->value + "' is used twice");
            return nullptr;
        }
        return name;
    }

    void read_services(const XmlElement& services) {
        constexpr std::array<std::string_view, 16> kKnown{
            "name",          "image",  "command",       "replicas",
            "share",         "reuse",  "supervisor",    "port",
            "activepaths",   "ip",     "machinename",   "kollaps_folder",
            "topology_file", "script", "controller_ip", "controllername"};
        for (const XmlElement& element : services.children) {
            if (element.name != "service") {
                report_->warning(element.place, "unknown-element",
                                 "<" + element.name + "> means nothing in <services>", "service");
                continue;
            }
            check_attributes(element, kKnown);
            const XmlAttribute* name = read_name(element);
            if (name == nullptr) continue;
            // Its presence counts, whatever it says.
            if (element.find("supervisor") != nullptr) {
                names_.supervisors.emplace(name->value, name->value_place);
                report_->note(element.place, "kollaps",
                              "the supervisor '" + name->value + "' is not part of the network");
                continue;
            }
            KollapsService service;
            service.element = &element;
            service.share = KollapsValues::flag(element, "share", false);
            service.reuse = KollapsValues::flag(element, "reuse", true);
            const auto replicas = values_.count(element, "replicas", 1, kMostReplicas);
            service.replicas = static_cast<std::uint32_t>(replicas.value_or(1));
            service.numbered = service.replicas > 1;
            names_.services.emplace(name->value, service);
        }
    }

    void read_bridges(const XmlElement& bridges) {
        constexpr std::array<std::string_view, 1> kKnown{"name"};
        for (const XmlElement& element : bridges.children) {
            if (element.name != "bridge") {
                report_->warning(element.place, "unknown-element",
                                 "<" + element.name + "> means nothing in <bridges>", "bridge");
                continue;
            }
            check_attributes(element, kKnown);
            const XmlAttribute* name = read_name(element);
            if (name == nullptr) continue;
            names_.bridges.emplace(name->value, name->value_place);
            draft_.bridges.push_back(BridgeDraft{name->value, name->value_place, {}});
        }
    }

    // The bare-metal variant says of a service on which machine it is, and which address that has.
    static bool is_bare_metal(const KollapsService& service) {
        return service.element->find("machinename") != nullptr &&
               service.element->find("ip") != nullptr;
    }

    void attach(const KollapsService& service, bool all_attached, ApplicationDraft& app) {
        if (!is_bare_metal(service)) return;
        const XmlAttribute& machine = *service.element->find("machinename");
        const XmlAttribute& address = *service.element->find("ip");
        if (!all_attached) {
            report_->note(
                machine.name_place, "kollaps",
                "not every service has machinename and ip, so no machine is a host itself");
            return;
        }
        app.machine = with_dollars_doubled(machine.value);
        app.address = with_dollars_doubled(address.value);
        app.attached_place = address.value_place;
    }

    void add_hosts(bool dynamic) {
        const bool all_attached = std::ranges::all_of(
            names_.services, [](const auto& one) { return is_bare_metal(one.second); });
        for (const auto& [name, service] : names_.services) {
            const XmlElement& element = *service.element;
            HostDraft host;
            host.name = name;
            host.place = element.find("name")->value_place;
            if (service.numbered) host.replicas = service.replicas;
            ApplicationDraft& app = host.application;
            for (const char* key : {"image", "command"}) {
                if (const XmlAttribute* attribute = element.find(key)) {
                    app.not_yet[key] = with_dollars_doubled(yaml_scalar(attribute->value));
                }
            }
            if (const XmlAttribute* script = element.find("script")) {
                app.arguments = std::vector<std::string>{"sh", with_dollars_doubled(script->value)};
            }
            attach(service, all_attached, app);
            if (const XmlAttribute* paths = element.find("activepaths")) {
                report_->note(paths->name_place, "kollaps",
                              "activepaths: all paths are shaped here");
            }
            if (dynamic) {
                app.manual = true;
                if (!service.joins) {
                    report_->note(element.place, "kollaps",
                                  "'" + name +
                                      "' never joins in <dynamic>, so it never starts "
                                      "(older versions of Kollaps started it at 0)");
                }
            }
            draft_.hosts.push_back(std::move(host));
        }
    }

    bool check_end(const XmlAttribute& end) {
        if (names_.known(end.value)) return true;
        report_->error(end.value_place, "unknown-name",
                       "there is no service or bridge '" + end.value + "'",
                       report_->patient() ? names_.nearest(end.value) : std::string{});
        return false;
    }

    bool shares(const std::string& name) const {
        const auto found = names_.services.find(name);
        return found != names_.services.end() && found->second.share;
    }

    void read_links(const XmlElement& links) {
        constexpr std::array<std::string_view, 8> kKnown{
            "origin", "dest", "latency", "upload", "download", "jitter", "drop", "network"};
        for (const XmlElement& element : links.children) {
            if (element.name != "link") {
                report_->warning(element.place, "unknown-element",
                                 "<" + element.name + "> means nothing in <links>", "link");
                continue;
            }
            check_attributes(element, kKnown);
            const XmlAttribute* origin = values_.required(element, "origin");
            const XmlAttribute* dest = values_.required(element, "dest");
            values_.required(element, "latency");
            values_.required(element, "upload");
            LinkDraft link;
            link.forward = kollaps_properties(element, values_, LinkProperties{});
            link.backward = link.forward;
            const auto download = values_.rate(element, "download");
            if (download) link.backward.bandwidth = *download;
            if (origin == nullptr || dest == nullptr) continue;
            const bool known = check_end(*origin);
            if (!check_end(*dest) || !known) continue;
            if (names_.supervisors.contains(origin->value) ||
                names_.supervisors.contains(dest->value)) {
                continue;
            }
            link.two_way = element.find("download") != nullptr;
            if (!link.two_way) {
                report_->note(element.place, "kollaps",
                              "without `download` this is a one-way link (as to Kollaps' emulation "
                              "cores; its deployment generator makes both directions)");
            }
            link.from = origin->value;
            link.to = dest->value;
            link.from_place = origin->value_place;
            link.to_place = dest->value_place;
            link.shared_from = shares(link.from);
            link.shared_to = shares(link.to);
            draft_.links.push_back(std::move(link));
        }
    }

    const ReadOptions* options_;
    const FileLoader* load_;
    Report* report_;
    KollapsValues values_;
    KollapsNames names_;
    KollapsSchedule schedule_;
    ScenarioDraft draft_;
};

}  // namespace

ReadOutcome read_kollaps(std::string_view text, const std::string& name, const ReadOptions& options,
                         const FileLoader& load) {
    Report report;
    const std::uint32_t source = report.add_source(name, std::string{text});
    ReadOutcome outcome;
    outcome.scenario = KollapsReader{name, options, load, report}.read(source);
    if (report.errors() > 0) outcome.scenario.reset();
    outcome.problems = report.problems();
    return outcome;
}

}  // namespace pleat
