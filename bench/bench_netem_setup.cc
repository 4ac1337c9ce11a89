// How long the `netem` plane's traffic control takes to set up and to change, on the
// loopback interface of a network namespace of its own: HTB alone, which most kernels have;
// and with netem and its queue where the kernel has them.
//
//     bench_netem_setup [DESTINATIONS]
#include <cstdio>
#include <cstdlib>

#include <sched.h>

#include "base/clock.hh"
#include "base/error.hh"
#include "base/namespaces.hh"
#include "node/dataplane/netem/request_batch.hh"
#include "node/dataplane/netem/tc_messages.hh"

using namespace pleat;
using namespace pleat::literals;

namespace {

// Builds and sends what `add` adds for each destination; prints how long it took.
template <typename Add>
bool timed(RouteSocket& socket, const char* what, int count, Add add) {
    const Instant from = monotonic_now();
    RequestBatch batch;
    for (int i = 0; i < count; ++i) add(batch, static_cast<std::uint16_t>(kFirstDestination + i));
    const std::size_t requests = batch.size();
    const auto refusals = batch.send(socket);
    const std::chrono::duration<double, std::milli> time = monotonic_now() - from;
    std::printf("%-46s %5d paths %6zu requests %9.2f ms\n", what, count, requests, time.count());
    if (refusals.empty()) return true;
    std::printf("refused: %s\n", refusals.front().why.c_str());
    return false;
}

ClassShape clock_of(int i) {
    return class_shape(Bandwidth::bits_per_second(1'000'000 + i * 10'000), 1_Gbps, Overhead{});
}

}  // namespace

int main(int argc, char** argv) {
    const int count = argc > 1 ? std::atoi(argv[1]) : 1000;
    if (::geteuid() != 0) become_root_of_user_namespace();
    check("make a network namespace", ::unshare(CLONE_NEWNET));
    RouteSocket socket;
    RequestBatch::prepare(socket);
    const TcMessages messages{socket.interface_index("lo")};
    RequestBatch base;
    base.add(messages.htb());
    base.add(messages.uplink(class_id(kFirstUplink), class_shape(1_Gbps, 1_Gbps, Overhead{})));
    if (!base.send(socket).empty()) {
        std::printf("this kernel has no HTB\n");
        return 1;
    }
    timed(socket, "set up: HTB classes", count, [&](RequestBatch& batch, std::uint16_t minor) {
        batch.add(messages.destination(minor, class_id(kFirstUplink), clock_of(minor)));
    });
    const auto change = [&](RequestBatch& batch, std::uint16_t minor) {
        batch.add(messages.destination(minor, class_id(kFirstUplink), clock_of(minor + 1)));
    };
    for (int n = 1; n < count; n *= 10) timed(socket, "change: rates (HTB)", n, change);
    timed(socket, "change: rates (HTB)", count, change);

    const auto put = [&](RequestBatch& batch, std::uint16_t minor, const NetemShape& shape) {
        batch.add(messages.netem(class_id(minor), netem_id(minor), shape, 1));
    };
    NetemShape still;
    still.delay = std::chrono::milliseconds{10};
    const bool netem =
        timed(socket, "set up: netem and its queue", count,
              [&](RequestBatch& batch, std::uint16_t minor) {
                  put(batch, minor, still);
                  batch.add(messages.byte_queue(netem_id(minor) | 1U, queue_id(minor), 100'000));
              });
    if (!netem) return 0;  // HTB's part alone
    NetemShape later = still;
    later.delay = std::chrono::milliseconds{20};
    const auto delay = [&](RequestBatch& batch, std::uint16_t minor) { put(batch, minor, later); };
    for (int n = 1; n < count; n *= 10) timed(socket, "change: delays (netem)", n, delay);
    timed(socket, "change: delays (netem)", count, delay);
    later.jitter = std::chrono::milliseconds{1};
    timed(socket, "change: jitter, with a table each (netem)", count, delay);
    return 0;
}
