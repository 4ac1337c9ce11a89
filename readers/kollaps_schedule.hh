// Kollaps' <dynamic>: its schedule as event lines, and how many replicas it needs.
//
// (1) Events happen in the order of their times, whatever the order in the file; those of
//     one time at once.
// (2) Which replicas an event concerns is chance, seeded, one stream a service.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "readers/kollaps_values.hh"
#include "readers/scenario_draft.hh"

namespace pleat {

struct KollapsService {
    const XmlElement* element = nullptr;
    std::uint32_t replicas = 1;  // as its attribute says, or its joins
    bool numbered = false;       // more than one
    bool reuse = true;
    bool share = false;
    bool joins = false;
};

struct KollapsNames {
    std::map<std::string, KollapsService> services;
    std::map<std::string, Place> bridges;
    std::map<std::string, Place> supervisors;

    bool known(const std::string& name) const;
    std::string nearest(const std::string& name) const;
};

class KollapsSchedule {
  public:
    KollapsSchedule(const KollapsValues& values, KollapsNames& names)
        : values_{&values}, names_{&names} {}

    // Reads <dynamic>. Sets the replicas of services that join.
    void read(const XmlElement& dynamic);

    // Adds the events, and links that appear later. The draft has all others.
    void add_to(ScenarioDraft& draft);

  private:
    enum class About { service, bridge, link };

    struct Entry {
        Duration time{};
        About about = About::link;
        std::string subject;  // a service or bridge, or a link's origin
        std::string destination;
        std::string action;
        std::uint32_t amount = 1;
        const XmlElement* element = nullptr;
    };

    // What the replicas of a service do.
    struct Replicas {
        std::vector<bool> running;
        std::vector<bool> joined;  // ever
        std::vector<bool> disconnected;
    };

    std::optional<Entry> read_entry(const XmlElement& element);
    bool check_name(const XmlAttribute& name) const;
    void count_replicas();
    void add_service_event(const Entry& entry, ScenarioDraft& draft);
    void add_link_event(const Entry& entry, ScenarioDraft& draft);
    void add_link_join(const Entry& entry, ScenarioDraft& draft);
    void add_link_change(const Entry& entry, ScenarioDraft& draft);
    void add_line(const Entry& entry, std::string line, ScenarioDraft& draft) const;
    bool linked(const std::string& from, const std::string& to) const;

    const KollapsValues* values_;
    KollapsNames* names_;
    std::vector<Entry> entries_;
    std::map<std::string, Replicas> replicas_;
    std::map<std::string, std::uint64_t> draws_;
    std::map<std::pair<std::string, std::string>, bool> links_;  // is it there now?
};

// The properties that a <link> or <schedule> gives; the rest as in `base`.
LinkProperties kollaps_properties(const XmlElement& element, const KollapsValues& values,
                                  LinkProperties base);

}  // namespace pleat
