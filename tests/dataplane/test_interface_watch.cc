// What an InterfaceWatch tells, and what it keeps to itself.
#include <catch2/catch.hpp>
#include <linux/pkt_sched.h>

#include "node/dataplane/edt/traffic_control.hh"
#include "node/dataplane/netem/request_batch.hh"
#include "node/dataplane/netem/tc_messages.hh"
#include "node/netlink/interface_watch.hh"
#include "tests/dataplane/tally.hh"
#include "tests/dataplane/test_host.hh"

namespace pleat::testing {
namespace {

constexpr std::uint16_t kMajor = 0x77;

bool possible() {
    static const std::string missing = missing_for_hosts(AttachmentKind::kernel_interface);
    static Tally tally{"interface_watch"};
    return tally.begin(missing);
}

struct Watched {
    void poll() {
        loop.restart();
        loop.poll();
    }

    void add_root() {
        control.put_back(QdiscFound{.kind = "pfifo",
                                    .handle = std::uint32_t{kMajor} << 16U,
                                    .options = std::vector<char>(4, 1)});
    }

    boost::asio::io_context loop;
    Underlay underlay;
    TestHost host{AddressPlan{}, HostId{0}, &underlay};
    TrafficControl control{host.network_namespace(), TestHost::kInterface};
    int gone = 0;
    int changed = 0;
    int inner = 0;
    InterfaceWatch watch{loop,
                         host.network_namespace(),
                         control.index(),
                         {.gone = [this] { ++gone; },
                          .changed =
                              [this](bool is_inner) {
                                  ++changed;
                                  inner += is_inner ? 1 : 0;
                              }}};
};

TEST_CASE("an interface that goes is told once") {
    if (!possible()) return;
    Watched watched;
    watched.poll();
    CHECK(watched.gone == 0);
    watched.host.links().remove(TestHost::kInterface);
    watched.poll();
    watched.poll();
    CHECK(watched.gone == 1);
}

// The kernel has said all when a request returns.
TEST_CASE("who changes the root qdisc or clsact is told, what is below or elsewhere is not") {
    if (!possible()) return;
    Watched watched;
    watched.poll();
    CHECK(watched.changed == 0);
    watched.add_root();
    watched.poll();
    CHECK(watched.changed == 1);
    REQUIRE(watched.control.add_clsact() == 0);
    watched.poll();
    CHECK(watched.changed == 2);
    watched.control.remove_clsact();
    watched.poll();
    CHECK(watched.changed == 3);
    watched.control.remove_root(kMajor);
    watched.poll();
    CHECK(watched.changed == 4);
    CHECK(watched.inner == 0);

    TrafficControl loopback{watched.host.network_namespace(), "lo"};
    REQUIRE(loopback.add_clsact() == 0);
    loopback.remove_clsact();
    watched.poll();
    CHECK(watched.changed == 4);

    RouteSocket socket{watched.host.network_namespace()};
    const TcMessages messages{watched.control.index()};
    RequestBatch root;
    root.add(messages.htb());
    REQUIRE(root.send(socket).empty());
    watched.poll();
    CHECK(watched.changed == 5);
    RequestBatch below;
    const ClassShape shape =
        class_shape(Bandwidth::unlimited(), Bandwidth::unlimited(), Overhead{});
    below.add(messages.uplink(kDefaultClass, shape));
    below.add(messages.packet_queue(kDefaultClass, kDefaultQueue, 10));
    below.add(messages.remove_qdisc(kDefaultClass, kDefaultQueue));
    below.add(messages.u32_arp());
    REQUIRE(below.send(socket).empty());
    watched.poll();
    CHECK(watched.changed == 5);
    watched.host.links().remove_filters(TestHost::kInterface, kHtb);
    watched.poll();
    CHECK(watched.changed == 6);
    CHECK(watched.inner == 1);
    CHECK(watched.gone == 0);
}

TEST_CASE("news that the kernel had no room for is asked for") {
    if (!possible()) return;
    for (const bool goes : {false, true}) {
        Watched watched;
        // Each is some KB of the socket's 200.
        for (int i = 0; i < 300; ++i) {
            watched.add_root();
            watched.control.remove_root(kMajor);
        }
        if (goes) watched.host.links().remove(TestHost::kInterface);
        watched.poll();
        CHECK(watched.gone == (goes ? 1 : 0));
        CHECK(watched.changed == (goes ? 0 : 1));
        if (goes) continue;
        // And it hears again.
        watched.add_root();
        watched.poll();
        CHECK(watched.changed == 2);
        watched.host.links().remove(TestHost::kInterface);
        watched.poll();
        CHECK(watched.gone == 1);
    }
}

TEST_CASE("a watch may be destroyed by what it calls") {
    if (!possible()) return;
    boost::asio::io_context loop;
    const Underlay underlay;
    const TestHost host{AddressPlan{}, HostId{0}, &underlay};
    TrafficControl control{host.network_namespace(), TestHost::kInterface};
    std::unique_ptr<InterfaceWatch> watch;
    int calls = 0;
    const auto end = [&] {
        ++calls;
        watch.reset();
    };
    for (const bool goes : {false, true}) {
        watch = std::make_unique<InterfaceWatch>(
            loop, host.network_namespace(), control.index(),
            InterfaceWatch::Outputs{.gone = end, .changed = [&](bool) { end(); }});
        if (goes) {
            host.links().remove(TestHost::kInterface);
        } else {
            REQUIRE(control.add_clsact() == 0);
        }
        loop.restart();
        loop.poll();
    }
    CHECK(calls == 2);
}

}  // namespace
}  // namespace pleat::testing
