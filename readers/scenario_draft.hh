// ScenarioDraft: what a file says, in its own words: every reader makes one, and
// assemble() makes a Scenario of it. Names are not resolved yet; everything knows its
// place for the problems that are found then.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/scenario.hh"
#include "readers/report.hh"

namespace pleat {

// What the file says about what runs on a host. Unset: not said.
struct ApplicationDraft {
    std::optional<std::vector<std::string>> arguments;  // before $i and $name
    std::optional<std::map<std::string, std::string>> environment;
    std::optional<std::map<std::string, std::string>> sysctls;
    std::optional<std::string> user;
    std::optional<ReadyCondition> ready;
    std::optional<std::vector<std::pair<std::string, Place>>> after;
    std::optional<bool> main;
    std::optional<bool> manual;
    std::optional<std::string> place;  // before $i and $name; a good rule
    // `attach: machine:NAME`, `address:` and `stop:`, before $i and $name.
    std::optional<std::string> machine;
    std::optional<std::string> address;
    std::optional<Place> attached_place;
    std::optional<std::vector<std::string>> stop;
    std::optional<std::vector<std::string>> tags;
    std::map<std::string, std::string> not_yet;  // key and value: "image" and "nginx:1"
};

struct HostDraft {
    std::string name;
    Place place;
    std::optional<std::uint32_t> replicas;  // unset: one, not numbered
    ApplicationDraft application;
    bool outside = false;
};

// `client[0]: {…}` says what differs for one replica.
struct ReplicaDraft {
    std::string host;
    std::uint32_t replica = 0;
    Place place;
    ApplicationDraft application;
};

struct BridgeDraft {
    std::string name;
    Place place;
    std::vector<std::string> tags;
};

struct LinkDraft {
    std::string from;  // "client", "client[0..1]", "s1"
    std::string to;
    Place from_place;
    Place to_place;
    bool two_way = true;
    LinkProperties forward;
    LinkProperties backward;
    std::string name;
    std::vector<std::string> tags;
    // The replicas at this end have one link together.
    bool shared_from = false;
    bool shared_to = false;
    bool up = true;
    std::string trace;
};

struct EventDraft {
    std::string when;
    TextPlace when_place;
    std::string line;
    TextPlace line_place;
};

struct GroupDraft {
    std::string name;
    Place place;
    std::vector<std::pair<std::string, Place>> members;
};

// What `@outside` is called: the machine's own network.
inline constexpr std::string_view kOutsideName = "outside";

struct ScenarioDraft {
    std::string name;
    std::uint64_t seed = 1;
    std::optional<Duration> duration;
    Routing routing = Routing::latency;
    std::optional<std::string> addresses;
    Place addresses_place;
    std::vector<HostDraft> hosts;
    std::vector<ReplicaDraft> replicas;
    std::vector<BridgeDraft> bridges;
    std::vector<LinkDraft> links;
    std::vector<EventDraft> events;
    std::vector<GroupDraft> groups;
    std::vector<std::string> expectations;
    std::vector<std::string> not_yet;
    // Parts of the topology are made by what this build can't do (`generate:`), so a name
    // that is not known here may still exist.
    bool incomplete = false;
};

// Resolves names, expands replicas and events, checks what concerns the whole. Nothing
// when the report holds an error, of before or of now.
std::optional<Scenario> assemble(ScenarioDraft draft, std::uint32_t source, Report& report);

}  // namespace pleat
