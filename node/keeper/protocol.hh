// What a node and a host's keeper say to each other, over a SOCK_SEQPACKET socket.
//
// The keeper's states:
//
//     SETTING UP --Setup--> ATTACHED --node lost--> ORPHAN --Hello--> ATTACHED
//          |                    |                      |
//          +--- failed,         +------- End ----------+--- grace over ---> gone
//               node lost --> gone
//
// (1) One message is one packet of at most kMaximumMessage bytes: magic, version, type,
//     fields. A message that is not exactly that is dropped and counted, never answered.
// (2) At most one node is attached. A further connection is closed at once while one is;
//     of an orphan's callers the first whose Hello carries the run's mark is attached, and
//     each caller must be the same user or root.
// (3) Setup comes once, first, for a host behind a veth pair with a descriptor of the
//     underlay's namespace. It is answered by Up, with the host's TUN descriptor or a
//     descriptor of its network namespace, or by SetupFailed, after which the keeper ends.
// (4) Start is answered by Started or StartFailed; after Started exactly one Exited comes,
//     before any answer to a later Start. Ready comes at most once, between the two.
// (5) Start while the application runs is dropped; while a Stop is under way everything
//     left is killed first, so that the Stop can't reach the new application.
// (6) Stop and Signal reach every process of the host but the keeper. Stopped comes when
//     none is left. Where the host is the machine itself, that is what the keeper has started,
//     and what that has.
// (7) A keeper without a node ends after the grace of its Setup, and with it, as it is the
//     first process of the PID namespace, all processes of the host. One whose host is the machine
//     itself ends these one by one, and then makes the machine's interface what it was
//     (base/interface_undo.hh).
// (8) An orphan keeps its last kKeptReports reports and says them after the next Up. That
//     Up is followed by one Held for each named descriptor that the keeper holds, the
//     underlay's among them.
// (9) Instants are nanoseconds of CLOCK_MONOTONIC, wait statuses as waitpid gives them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace pleat::keeper {

constexpr std::uint16_t kProtocolVersion = 4;
constexpr std::size_t kMaximumMessage = 128UL * 1024;
constexpr std::size_t kKeptReports = 1000;
// The descriptor on which a keeper finds its first node.
constexpr int kNodeDescriptor = 3;
// The first argument of a keeper whose host is the machine itself.
constexpr const char* kOnMachine = "--on-machine";
// The name under which a keeper holds the underlay's namespace.
constexpr const char* kUnderlay = "underlay";

// node -> keeper

// What is behind the host's interface; `machine`: the host is the machine itself, and nothing is
// made.
enum class Behind : std::uint8_t { tun, underlay, machine };

// How to make the host.
struct Setup {
    std::uint32_t number = 0;  // of the host in its run
    Behind behind = Behind::tun;
    std::string host;              // "client[0]"
    std::string hostname;          // "client-0"
    std::uint32_t ipv4 = 0;        // host byte order
    std::uint8_t ipv4_prefix = 8;  // the whole range is on the link
    std::array<std::uint8_t, 16> ipv6{};
    std::uint8_t ipv6_prefix = 48;
    std::string etc;                // directory with hosts, resolv.conf, gai.conf
    std::string socket;             // where to listen for the next node
    std::string runtime_directory;  // of the run
    std::vector<std::pair<std::string, std::string>> sysctls;  // the user's
    bool default_route = false;    // to the outside host, over the emulated network
    bool outside = false;          // forwards to the machine's own network
    std::int64_t grace_ns = 0;     // of (7)
    std::uint64_t open_files = 0;  // soft limit of the applications; 0: the keeper's
};

struct Identity {
    std::uint32_t user = 0;
    std::uint32_t group = 0;
    std::vector<std::uint32_t> groups;
};

struct Program {
    std::vector<std::string> arguments;    // [0] is looked for in the program's PATH
    std::vector<std::string> environment;  // "NAME=value", on top of the keeper's own
    std::optional<Identity> identity;      // nothing: the keeper's
    std::string log;                       // standard output and error are appended to it
    std::string streams;  // not empty: the socket that gives input, output and error instead
};

enum class ReadyKind : std::uint8_t { at_start, tcp_port, file, delay };

struct Ready {
    ReadyKind kind = ReadyKind::at_start;
    std::uint16_t tcp_port = 0;
    std::string file;
    std::int64_t delay_ns = 0;
};

struct Start {
    Program program;
    Ready ready;
};

struct Execute {
    std::uint32_t token = 0;
    Program program;
};

// SIGKILL, SIGSTOP or SIGCONT to all.
struct Signal {
    std::int32_t number = 0;
};

// SIGTERM and SIGCONT to all, SIGKILL to what is left after the grace.
struct Stop {
    std::int64_t grace_ns = 0;
};

struct End {};

// The first message of a node that takes over.
struct Hello {
    std::string mark;
};

// A descriptor comes with it that the keeper holds as long as it lives: what waits for its
// closing at the other end (slirp4netns' --exit-fd) ends with the host. One with a name is
// given back to a node that takes over; a second of the same name replaces the first.
struct Hold {
    std::string name;
};

using Request = std::variant<Setup, Start, Execute, Signal, Stop, End, Hello, Hold>;

// keeper -> node

struct Up {
    bool running = false;    // the application is there
    bool ready = false;      // it has been reported ready, or will be by a kept report
    std::uint32_t held = 0;  // so many Held follow
    std::string notes;       // what could not be done, but is not needed by all
};

// With the descriptor itself.
struct Held {
    std::string name;
};

struct SetupFailed {
    std::string problem;
    bool missing_feature = false;  // of the machine
};

struct Started {
    std::int64_t at_ns = 0;
};

struct StartFailed {
    std::int64_t at_ns = 0;
    std::string problem;
};

struct BecameReady {
    std::int64_t at_ns = 0;
};

struct Exited {
    std::int64_t at_ns = 0;
    std::int32_t wait_status = 0;
};

struct ExecuteEnded {
    std::uint32_t token = 0;
    std::int32_t wait_status = 0;
};

struct Stopped {};

using Report = std::variant<Up, SetupFailed, Started, StartFailed, BecameReady, Exited,
                            ExecuteEnded, Stopped, Held>;

// Nothing when it would be longer than kMaximumMessage.
std::optional<std::string> encode(const Request& request);
std::string encode(const Report& report);  // shortens texts that are too long

std::optional<Request> decode_request(std::string_view message);
std::optional<Report> decode_report(std::string_view message);

}  // namespace pleat::keeper
