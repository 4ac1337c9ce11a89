// Requests to the kernel that it takes without netem: HTB, queues and filters.

#include <catch2/catch.hpp>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/socket.h>
#include <sys/socket.h>

#include "node/dataplane/netem/request_batch.hh"
#include "node/dataplane/netem/usage.hh"
#include "tests/dataplane/netem/scratch_interface.hh"
#include "tests/dataplane/tally.hh"
#include "tests/dataplane/test_host.hh"

using namespace pleat;
using namespace pleat::literals;
using namespace pleat::testing;

namespace {

bool possible() {
    static const std::string missing = missing_for_hosts(AttachmentKind::kernel_interface);
    static Tally tally{"netem_kernel, requests"};
    return tally.begin(missing);
}

ClassShape unlimited() {
    return class_shape(Bandwidth::unlimited(), Bandwidth::unlimited(), Overhead{});
}

struct HtbClass {
    std::uint32_t parent = 0;
    std::uint64_t rate = 0;
    std::uint64_t ceil = 0;
    double ceil_burst = 0.0;  // seconds
    std::uint16_t overhead = 0;
    std::uint32_t quantum = 0;
};

// As the kernel has it.
HtbClass read_back(RouteSocket& socket, const TcMessages& messages, std::uint32_t classid) {
    HtbClass result;
    RequestBatch batch;
    batch.add(messages.read_class(classid));
    const auto refused = batch.send(socket, [&](const nlmsghdr& header) {
        auto* message = const_cast<nlmsghdr*>(&header);
        result.parent = static_cast<const tcmsg*>(nlmsg_data(message))->tcm_parent;
        nlattr* options = nlmsg_find_attr(message, sizeof(tcmsg), TCA_OPTIONS);
        std::array<nlattr*, TCA_HTB_MAX + 1> htb{};
        REQUIRE(nla_parse_nested(htb.data(), TCA_HTB_MAX, options, nullptr) == 0);
        const auto* shape = static_cast<const tc_htb_opt*>(nla_data(htb[TCA_HTB_PARMS]));
        result.rate = shape->rate.rate;
        result.ceil = shape->ceil.rate;
        if (htb[TCA_HTB_CEIL64] != nullptr) result.ceil = nla_get_u64(htb[TCA_HTB_CEIL64]);
        if (htb[TCA_HTB_RATE64] != nullptr) result.rate = nla_get_u64(htb[TCA_HTB_RATE64]);
        result.ceil_burst = shape->cbuffer * 64e-9;  // ticks of 64 ns
        result.overhead = shape->ceil.overhead;
        result.quantum = shape->quantum;
    });
    REQUIRE(refused.empty());
    return result;
}

}  // namespace

TEST_CASE("the kernel has the classes that were asked for, and changes them in place") {
    if (!possible()) return;
    const ScratchInterface interface;
    RouteSocket socket{interface.network_namespace()};
    RequestBatch::prepare(socket);
    const TcMessages messages = interface.messages();
    RequestBatch batch;
    batch.add(messages.htb());
    batch.add(messages.uplink(class_id(kFirstUplink), class_shape(40_Gbps, 40_Gbps, Overhead{})));
    batch.add(messages.destination(7, class_id(kFirstUplink),
                                   class_shape(10_Mbps, 40_Gbps, Overhead{Overhead::kWire})));
    REQUIRE(batch.send(socket).empty());

    const HtbClass uplink = read_back(socket, messages, class_id(kFirstUplink));
    CHECK(uplink.parent == TC_H_ROOT);
    CHECK(uplink.rate == 5'000'000'000);  // beyond 32 bits
    CHECK(uplink.ceil == 5'000'000'000);
    CHECK(uplink.ceil_burst == Approx(2e-3));
    HtbClass path = read_back(socket, messages, class_id(7));
    CHECK(path.parent == class_id(kFirstUplink));
    CHECK(path.rate == 1);
    CHECK(path.ceil == 1'250'000);
    CHECK(path.ceil_burst == Approx(2e-3).epsilon(0.001));
    CHECK(path.overhead == 24);
    CHECK(path.quantum == 65'536);

    for (const Bandwidth rate : {128_kbps, 100_Gbps, 8_bps, Bandwidth::unlimited()}) {
        batch.add(messages.destination(7, class_id(kFirstUplink),
                                       class_shape(rate, 40_Gbps, Overhead{})));
        REQUIRE(batch.send(socket).empty());
        path = read_back(socket, messages, class_id(7));
        CHECK(path.ceil == htb_rate(rate));
        CHECK(path.overhead == 0);
        if (rate > 1_kbps) CHECK(path.ceil_burst == Approx(2e-3).epsilon(0.001));
    }
}

TEST_CASE("each refusal is told, with its place and the kernel's words, and the rest is done") {
    if (!possible()) return;
    const ScratchInterface interface;
    RouteSocket socket{interface.network_namespace()};
    RequestBatch::prepare(socket);
    const TcMessages messages = interface.messages();
    RequestBatch batch;
    batch.add(messages.htb());
    batch.add(messages.remove_qdisc(class_id(9), handle_of(9)));  // no such class
    batch.add(messages.uplink(class_id(kFirstUplink), unlimited()));
    batch.add(messages.byte_queue(class_id(9), handle_of(9), 3000));  // no such class
    batch.add(messages.destination(6, class_id(kFirstUplink), unlimited()));
    const auto refusals = batch.send(socket);
    REQUIRE(refusals.size() == 2);
    CHECK(refusals[0].request == 1);
    CHECK(refusals[0].error != 0);
    CHECK_FALSE(refusals[0].why.empty());
    CHECK(refusals[1].request == 3);
    CHECK(batch.empty());
    CHECK(read_back(socket, messages, class_id(6)).ceil == htb_rate(Bandwidth::unlimited()));
}

TEST_CASE("a thousand requests get through buffers that are too small for their answers") {
    if (!possible()) return;
    const ScratchInterface interface;
    RouteSocket socket{interface.network_namespace()};
    RequestBatch::prepare(socket);
    const int size = 1;  // the kernel's least: 2304 bytes, two answers or three
    const int fd = nl_socket_get_fd(socket.handle());
    REQUIRE(::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) == 0);
    const TcMessages messages = interface.messages();
    RequestBatch batch;
    batch.add(messages.htb());
    batch.add(messages.uplink(class_id(kFirstUplink), unlimited()));
    constexpr std::uint16_t kClasses = 1000;
    for (std::uint16_t i = 0; i < kClasses; ++i) {
        batch.add(messages.destination(static_cast<std::uint16_t>(kFirstDestination + i),
                                       class_id(kFirstUplink), unlimited()));
    }
    CHECK(batch.send(socket).empty());
    RouteSocket reader{interface.network_namespace()};
    RequestBatch::prepare(reader);
    int classes = 0;
    dump(reader, messages.all_classes(),
         [&classes](const nlmsghdr& header) { classes += tc_statistics(header) ? 1 : 0; });
    CHECK(classes == kClasses + 1);
}

TEST_CASE("hashed filters are taken, and lead elsewhere when asked again") {
    if (!possible()) return;
    const ScratchInterface interface;
    RouteSocket socket{interface.network_namespace()};
    RequestBatch::prepare(socket);
    const TcMessages messages = interface.messages();
    RequestBatch batch;
    batch.add(messages.htb());
    batch.add(messages.uplink(class_id(kFirstUplink), unlimited()));
    batch.add(messages.uplink(kUnknownClass, unlimited()));
    batch.add(messages.destination(5, class_id(kFirstUplink), unlimited()));
    for (const bool v6 : {false, true}) {
        batch.add(messages.u32_table(v6));
        batch.add(messages.u32_hash(v6));
        batch.add(messages.u32_rest(v6, kUnknownClass));
    }
    batch.add(messages.u32_neighbours(135, false));
    batch.add(messages.u32_neighbours(143, true));
    const std::array<std::uint8_t, 16> address{0xfd, 1, 2,  3,  4,  5,  6,  7,
                                               8,    9, 10, 11, 12, 13, 14, 15};
    for (const std::uint32_t classid : {kUnknownClass, class_id(5)}) {
        for (std::uint16_t item = 1; item < 5; ++item) {
            batch.add(messages.u32_destination(0x0a000001U + 256U * item, classid, item));
            batch.add(messages.u32_destination(address, classid, item));
        }
    }
    const auto refusals = batch.send(socket);
    CHECK(refusals.empty());
    for (const auto& one : refusals) WARN(one.request << " " << one.error << " " << one.why);
}
