// The program on real interfaces: a veth pair between two namespaces of our own. This needs
// no sch_fq: packets come at once, whatever time they were given.
#include <array>
#include <fstream>
#include <sstream>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <catch2/catch.hpp>
#include <fcntl.h>
#include <linux/bpf.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.hh"
#include "base/error.hh"
#include "base/process.hh"
#include "tests/bpf/bpf_directory.hh"
#include "tests/bpf/edt_world.hh"

using namespace pleat;
using namespace pleat::testing;

namespace {

int exit_code(const std::string& line) {
    Command command;
    command.arguments = {"/bin/sh", "-c", line};
    Result<Child> child = Child::start(command);
    REQUIRE(child.has_value());
    const std::optional<ExitStatus> ended = child->wait_until(monotonic_now() + 10s);
    REQUIRE(ended.has_value());
    return ended->code();
}

void run(const std::string& line) {
    INFO(line);
    REQUIRE(exit_code(line) == 0);
}

// False, aloud, where veth, clsact, cls_bpf or IPv6 is missing.
bool interfaces_work() {
    static const bool work =
        exit_code(
            "unshare -n sh -ec 'ip link add dev h0 type veth peer name h1; "
            "ip address add fd00::1/64 dev h0; tc qdisc add dev h0 clsact; "
            "tc filter add dev h0 egress bpf direct-action bytecode \"1,6 0 0 0\"'") == 0;
    if (!work) skip_bpf_case("no veth with clsact, cls_bpf and IPv6 here");
    return work;
}

FileDescriptor our_namespace() {
    return FileDescriptor{check("opening our network namespace",
                                ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC))};
}

// Host 0 (10.0.0.1, fd00::1) with the program at its egress, and host 1 (…2) behind it.
class VethWorld {
  public:
    VethWorld() : home_{our_namespace()} {
        object_.set_source(0, HostId{0});
        for (std::uint32_t host = 0; host < 2; ++host) {
            object_.add_address(address4(host), HostId{host});
            object_.add_address(address6(host), HostId{host});
        }
        object_.paths(0)[object_.path(0, 1)] = row();
        object_.control().begins_at_ns[0] = 0;
        object_.pin(directory_.path());

        check("making a network namespace", ::unshare(CLONE_NEWNET));
        receiver_ = our_namespace();
        enter(home_);
        check("making a network namespace", ::unshare(CLONE_NEWNET));
        sender_ = our_namespace();
        const std::string other =
            "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(receiver_.value());
        run("ip link add dev h0 type veth peer name h1 netns " + other);
        run("ip address add 10.0.0.1/8 dev h0; ip address add fd00::1/64 dev h0 nodad");
        run("ip link set h0 address 02:00:00:00:00:01 up; ip link set lo up");
        run("tc qdisc add dev h0 clsact; tc filter add dev h0 egress bpf direct-action "
            "object-pinned " +
            directory_.path() + "/edt_egress classid 1:1");
        enter(receiver_);
        run("ip address add 10.0.0.2/8 dev h1; ip address add fd00::2/64 dev h1 nodad");
        run("ip link set h1 address 02:00:00:00:00:02 up; ip link set lo up");
        for (const bool v6 : {false, true}) receivers_[v6] = udp(v6);
        enter(sender_);
        for (const bool v6 : {false, true}) {
            senders_[v6] = udp(v6);
            // A new interface is up a moment later.
            const Instant deadline = monotonic_now() + 10s;
            while (deliveries(v6, 1) == 0) REQUIRE(monotonic_now() < deadline);
        }
    }

    VethWorld(const VethWorld&) = delete;
    VethWorld& operator=(const VethWorld&) = delete;

    ~VethWorld() { (void)::setns(home_.value(), CLONE_NEWNET); }

    edt_path& row_for_others() { return object_.paths(0)[object_.path(0, 1)]; }

    EdtObject& object() { return object_; }

    // Sends datagrams to host 1; how many arrive.
    int deliveries(bool v6, int count) {
        for (int i = 0; i < count; ++i) send(v6);
        int arrived = 0;
        pollfd ready{.fd = receivers_[v6].value(), .events = POLLIN, .revents = 0};
        // veth delivers within the call, or a softirq later.
        while (::poll(&ready, 1, 200) > 0) {
            std::array<char, 2000> buffer{};
            check("receiving", static_cast<int>(::recv(ready.fd, buffer.data(), buffer.size(), 0)));
            ++arrived;
        }
        return arrived;
    }

    // The receiver sends this many datagrams that host 0 has to forward to a second address of
    // host 1.
    void forward(int count) {
        object_.add_address(address4(2), HostId{1});
        run("sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.send_redirects=0 "
            "net.ipv4.conf.h0.send_redirects=0");
        run("ip neighbour replace 10.0.0.3 lladdr 02:00:00:00:00:02 dev h0");
        enter(receiver_);
        run("ip route replace 10.0.0.3 via 10.0.0.1; "
            "ip neighbour replace 10.0.0.1 lladdr 02:00:00:00:00:01 dev h1");
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(kPort);
        to.sin_addr.s_addr = htonl(address4(2));
        const std::array<char, 1000> payload{};
        for (int i = 0; i < count; ++i) {
            check("sending",
                  static_cast<int>(::sendto(receivers_[0].value(), payload.data(), payload.size(),
                                            0, reinterpret_cast<const sockaddr*>(&to), sizeof to)));
        }
        enter(sender_);
    }

    int send_socket(bool v6) const { return senders_[v6].value(); }

    // A counter of the receiver's stack, by /proc/net/snmp's or snmp6's name.
    std::uint64_t receiver_counter(const std::string& line_begin, const std::string& name) {
        enter(receiver_);
        std::uint64_t value = 0;
        if (line_begin.empty()) {
            std::ifstream file{"/proc/thread-self/net/snmp6"};
            std::string key;
            std::uint64_t number = 0;
            while (file >> key >> number) value = key == name ? number : value;
        } else {
            std::ifstream file{"/proc/thread-self/net/snmp"};
            std::string names;
            std::string values;
            while (std::getline(file, names) && std::getline(file, values)) {
                if (!names.starts_with(line_begin + ":")) continue;
                std::istringstream each{names};
                std::istringstream numbers{values};
                std::string key;
                std::string number;
                while (each >> key && numbers >> number) {
                    if (key == name) value = std::stoull(number);
                }
            }
        }
        enter(sender_);
        return value;
    }

  private:
    static constexpr std::uint16_t kPort = 9000;

    static void enter(const FileDescriptor& network_namespace) {
        check("entering a network namespace", ::setns(network_namespace.value(), CLONE_NEWNET));
    }

    static FileDescriptor udp(bool v6) {
        FileDescriptor socket{check(
            "making a socket", ::socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0))};
        const int only = 1;
        if (v6) {
            check("keeping a socket to IPv6",
                  ::setsockopt(socket.value(), IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only));
        }
        sockaddr_in any4{};
        any4.sin_family = AF_INET;
        any4.sin_port = htons(kPort);
        sockaddr_in6 any6{};
        any6.sin6_family = AF_INET6;
        any6.sin6_port = htons(kPort);
        check("binding",
              v6 ? ::bind(socket.value(), reinterpret_cast<const sockaddr*>(&any6), sizeof any6)
                 : ::bind(socket.value(), reinterpret_cast<const sockaddr*>(&any4), sizeof any4));
        return socket;
    }

    void send(bool v6) {
        sockaddr_in to4{};
        to4.sin_family = AF_INET;
        to4.sin_port = htons(kPort);
        to4.sin_addr.s_addr = htonl(address4(1));
        sockaddr_in6 to6{};
        to6.sin6_family = AF_INET6;
        to6.sin6_port = htons(kPort);
        const auto address = address6(1);
        std::copy(address.begin(), address.end(), to6.sin6_addr.s6_addr);
        const std::array<char, 1000> payload{};
        const auto* const to =
            v6 ? reinterpret_cast<const sockaddr*>(&to6) : reinterpret_cast<const sockaddr*>(&to4);
        check("sending",
              static_cast<int>(::sendto(senders_[v6].value(), payload.data(), payload.size(), 0, to,
                                        v6 ? sizeof to6 : sizeof to4)));
    }

    EdtObject object_ = EdtObject::load({.sources = 1, .destinations = 2, .uplinks = 1, .seed = 1});
    BpfDirectory directory_;
    FileDescriptor home_;
    FileDescriptor receiver_;
    FileDescriptor sender_;
    std::array<FileDescriptor, 2> receivers_;
    std::array<FileDescriptor, 2> senders_;
};

}  // namespace

TEST_CASE("edt: on an interface every packet of a socket passes twice, and counts once") {
    NEEDS_BPF();
    if (!interfaces_work()) return;
    VethWorld world;
    for (const bool v6 : {false, true}) {
        const std::uint64_t before = world.object().counters()[1].packets;
        CHECK(world.deliveries(v6, 20) == 20);
        CHECK(world.object().counters()[1].packets == before + 20);
    }
    const edt_totals totals = world.object().totals();
    CHECK(totals.packets_in == totals.packets_out + totals.unknown_destination);
    CHECK(totals.clone_failures == 0);
}

// How often a program has run, since the kernel was told to count.
std::uint64_t runs_of(int program) {
    bpf_prog_info info{};
    __u32 size = sizeof info;
    check("asking about a program", ::bpf_obj_get_info_by_fd(program, &info, &size));
    return info.run_cnt;
}

TEST_CASE("edt: only what belongs to a socket is cloned, what is forwarded is not") {
    NEEDS_BPF();
    if (!interfaces_work()) return;
    const FileDescriptor counting{::bpf_enable_stats(BPF_STATS_RUN_TIME)};
    if (!counting.open()) return skip_bpf_case("this kernel does not count runs of programs");
    VethWorld world;
    const int program = world.object().egress_program();
    const auto packets = [&world] { return world.object().counters()[1].packets; };
    // A few more for neighbour discovery, which the kernel does by itself.
    constexpr std::uint64_t kOthers = 6;
    std::uint64_t runs = runs_of(program);
    std::uint64_t counted = packets();
    CHECK(world.deliveries(false, 50) == 50);
    CHECK(packets() - counted == 50);
    CHECK(runs_of(program) - runs >= 100);
    CHECK(runs_of(program) - runs <= 100 + kOthers);
    runs = runs_of(program);
    counted = packets();
    world.forward(50);
    const Instant deadline = monotonic_now() + 5s;
    while (packets() - counted < 50) REQUIRE(monotonic_now() < deadline);
    CHECK(packets() - counted == 50);
    CHECK(runs_of(program) - runs >= 50);
    CHECK(runs_of(program) - runs <= 50 + kOthers);
    CHECK(world.object().totals().clone_failures == 0);
}

TEST_CASE("edt: on an interface duplicates arrive twice") {
    NEEDS_BPF();
    if (!interfaces_work()) return;
    VethWorld world;
    world.row_for_others().duplicate = EDT_ALWAYS;
    for (const bool v6 : {false, true}) CHECK(world.deliveries(v6, 10) == 20);
    CHECK(world.object().totals().clone_failures == 0);
}

TEST_CASE("edt: on an interface what is lost does not arrive, and no sender is told") {
    NEEDS_BPF();
    if (!interfaces_work()) return;
    VethWorld world;
    world.row_for_others().loss = EDT_ALWAYS;
    for (const bool v6 : {false, true}) CHECK(world.deliveries(v6, 10) == 0);  // send() succeeds
    world.row_for_others().loss = 0;
    world.row_for_others().flags = 0;
    for (const bool v6 : {false, true}) CHECK(world.deliveries(v6, 10) == 0);
    CHECK(world.object().totals().unreachable_drops == 20);
}

TEST_CASE(
    "edt: on an interface that leaves checksums to hardware the receiver rejects what is corrupt") {
    NEEDS_BPF();
    if (!interfaces_work()) return;
    VethWorld world;
    const std::uint64_t before4 = world.receiver_counter("Ip", "InHdrErrors");
    const std::uint64_t before6 = world.receiver_counter("", "Ip6InTruncatedPkts");
    world.row_for_others().corrupt = EDT_ALWAYS;
    for (const bool v6 : {false, true}) CHECK(world.deliveries(v6, 50) == 0);
    CHECK(world.receiver_counter("Ip", "InHdrErrors") == before4 + 50);
    CHECK(world.receiver_counter("", "Ip6InTruncatedPkts") == before6 + 50);
    world.row_for_others().corrupt = 0;
    for (const bool v6 : {false, true}) CHECK(world.deliveries(v6, 10) == 10);
}
