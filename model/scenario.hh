// Scenario: everything that a topology file says. The result of the only parse; all
// components work on it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "model/event.hh"
#include "model/placement.hh"
#include "model/topology.hh"

namespace pleat {

// When a host counts as ready.
struct ReadyWhenListening {
    std::uint16_t tcp_port = 0;

    friend bool operator==(const ReadyWhenListening&, const ReadyWhenListening&) = default;
};

struct ReadyWhenFile {
    std::string path;

    friend bool operator==(const ReadyWhenFile&, const ReadyWhenFile&) = default;
};

struct ReadyAfter {
    Duration delay{};

    friend bool operator==(const ReadyAfter&, const ReadyAfter&) = default;
};

using ReadyCondition = std::variant<ReadyWhenListening, ReadyWhenFile, ReadyAfter>;

// A host that is no namespace of ours, but a machine as it is (`attach: machine:NAME`).
struct AttachedMachine {
    std::string machine;
    std::uint32_t ipv4 = 0;         // one that it has, host byte order
    std::vector<std::string> stop;  // run there at the end; empty: nothing

    friend bool operator==(const AttachedMachine&, const AttachedMachine&) = default;
};

// What runs on a host. No arguments: an idle namespace, or nothing on an attached machine.
struct Application {
    std::vector<std::string> arguments;  // after shell quoting and $i, $name
    std::map<std::string, std::string> environment;
    std::map<std::string, std::string> sysctls;
    std::string user;  // empty: who runs pleat
    std::optional<ReadyCondition> ready;
    std::vector<HostId> after;  // starts when these are ready
    bool main = false;          // the run ends when all main hosts have ended
    bool manual = false;        // `start: manual`
    bool outside = false;       // `@outside`: the machine's own network
    PlaceRule place{};          // `place:`
    std::optional<AttachedMachine> attached{};
    // A property that this build can't do yet ("image:", "cpus:"), by name; refused at run.
    std::vector<std::string> not_yet;

    friend bool operator==(const Application&, const Application&) = default;
};

enum class Routing : std::uint8_t { latency, hops };

// `expect:` and `probes:` are kept as text, checked for form, until their issues land.
struct Scenario {
    std::string name;
    std::uint64_t seed = 1;
    std::optional<Duration> duration;
    Routing routing = Routing::latency;
    Topology topology;
    std::vector<Application> applications;  // by HostId
    std::vector<TimedEvent> timeline;       // canonical order: canonical(timeline)
    std::vector<std::string> expectations;
    std::string addresses = "10.0.0.0/8";
    // `groups:`, sets of points that event lines may name; members ascend.
    std::map<std::string, std::vector<VertexId>> groups;
    // Parts of the file that this build can't do yet, by name; refused at `run`.
    std::vector<std::string> not_yet;

    friend bool operator==(const Scenario&, const Scenario&) = default;
};

// Sorted by instant, then by content: the order of a file's lines never matters.
std::vector<TimedEvent> canonical(std::vector<TimedEvent> timeline);

}  // namespace pleat
