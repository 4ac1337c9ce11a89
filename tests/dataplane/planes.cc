#include "tests/dataplane/planes.hh"

#include <map>
#include <optional>

#include <catch2/catch.hpp>

#include "base/error.hh"
#include "node/dataplane/edt/edt_plane.hh"
#include "node/dataplane/kernel/bpffs.hh"
#include "node/dataplane/netem/netem_plane.hh"
#include "node/dataplane/open_plane.hh"
#include "node/dataplane/tun_plane.hh"
#include "tests/dataplane/tally.hh"
#include "tests/wanted_planes.hh"

namespace pleat::testing {

namespace {

using namespace std::chrono_literals;

// What the hosts need, else what the plane needs: asked once.
std::function<std::string()> once_missing(AttachmentKind hosts, std::string (*plane)()) {
    return [hosts, plane, found = std::optional<std::string>{}]() mutable {
        if (!found) {
            found = missing_for_hosts(hosts);
            if (found->empty() && plane != nullptr) found = plane();
        }
        return *found;
    };
}

std::vector<Plane> all_planes() {
    return {
        {.name = "tun",
         .open = open_tun_plane,
         .attachment = AttachmentKind::tun_device,
         .missing = once_missing(AttachmentKind::tun_device, nullptr),
         .rtt_error = 250us,
         .rate_error = [](double) { return 0.01; }},
        {.name = "edt",
         .open = [](PlaneContext context) { return open_edt_plane(std::move(context)); },
         .attachment = AttachmentKind::kernel_interface,
         .missing = once_missing(AttachmentKind::kernel_interface, missing_for_edt),
         .rtt_error = 400us,
         .rate_error = [](double) { return 0.015; },
         // A bucket of the link's calendar: at 20 Mbps 2^22 ns; and a packet more.
         .burst = 4600us,
         // Two buckets of half a millisecond, and a packet.
         .fast_burst = 1100us,
         // TCP joins none where there are chances; what an application has joined is one draw.
         .joined_loss = JoinedLoss::as_first,
         // The program compares the clock; what is late is not the switch.
         .switch_lateness = 1us,
         .switches_exactly = true,
         .open_to_leave =
             [](PlaneContext context) {
                 EdtPlaneOptions options{.pins = open_private_bpffs(context.run), .leave = true};
                 return open_edt_plane(std::move(context), std::move(options));
             },
         .open_to_take_over =
             [](PlaneContext context) {
                 REQUIRE(plane_that_left(context.left) == PlaneKind::edt);
                 return open_plane(PlaneKind::edt, std::move(context));
             },
         .switches_alone = true},
        {.name = "netem",
         .open = [](PlaneContext context) { return open_netem_plane(std::move(context)); },
         .attachment = AttachmentKind::kernel_interface,
         .missing = once_missing(AttachmentKind::kernel_interface, missing_for_netem),
         .rtt_error = 500us,
         .rate_error = [](double rate) { return rate > 512e6 ? 0.06 : 0.04; },
         // HTB lets 2 ms of the rate pass after a pause: of the link, and of a path.
         .burst = 4ms,
         .fast_burst = 4ms,
         .draws_by_model = false,
         .joined_loss = JoinedLoss::all_or_nothing,
         // Some requests for each path, in User Mode Linux 0.3 ms.
         .switch_lateness = 1ms,
         .switches_at_once = false,
         .mends_root = false,
         .open_to_leave =
             [](PlaneContext context) {
                 return open_netem_plane(std::move(context), {.leave = true});
             },
         .open_to_take_over =
             [](PlaneContext context) {
                 REQUIRE(plane_that_left(context.left) == PlaneKind::netem);
                 return open_plane(PlaneKind::netem, std::move(context));
             }},
    };
}

std::map<std::string, Tally>& tallies() {
    static std::map<std::string, Tally> all;
    return all;
}

// Of the case that is running, if one is.
Tally* current = nullptr;  // NOLINT: cases run one after the other

}  // namespace

void for_each_plane(const std::function<void(const Plane&)>& test) {
    static const std::vector<Plane> planes = all_planes();
    for (const Plane& plane : planes) {
        if (!is_wanted_plane(plane.name)) continue;
        Tally& tally = tallies().try_emplace(plane.name, plane.name).first->second;
        if (!tally.begin(plane.missing())) continue;
        INFO("plane " << plane.name);
        current = &tally;
        test(plane);
        current = nullptr;
    }
}

void not_applicable() {
    PLEAT_ASSERT(current != nullptr);
    current->is_not_applicable();
}

void skip_case(const std::string& missing) {
    PLEAT_ASSERT(current != nullptr);
    current->skip(missing);
}

}  // namespace pleat::testing
