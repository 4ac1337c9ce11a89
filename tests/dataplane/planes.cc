#include "tests/dataplane/planes.hh"

#include <cstdlib>
#include <iostream>
#include <map>
#include <optional>

#include <catch2/catch.hpp>

#include "node/dataplane/edt/edt_plane.hh"
#include "node/dataplane/netem/netem_plane.hh"
#include "node/dataplane/tun_plane.hh"

namespace pleat::testing {

namespace {

using namespace std::chrono_literals;

// What the hosts need, else what the plane needs: asked once.
std::function<std::string()> missing_for(AttachmentKind hosts, std::string (*plane)()) {
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
         .missing = missing_for(AttachmentKind::tun_device, nullptr),
         .rtt_error = 250us,
         .rate_error = [](double) { return 0.01; }},
        {.name = "edt",
         .open = [](PlaneContext context) { return open_edt_plane(std::move(context)); },
         .attachment = AttachmentKind::kernel_interface,
         .missing = missing_for(AttachmentKind::kernel_interface, missing_for_edt),
         .rtt_error = 400us,
         .rate_error = [](double) { return 0.015; },
         // A bucket of the link's calendar: at 20 Mbps 2^22 ns; and a packet more.
         .burst = 4600us,
         // TCP joins none where there are chances; what an application has joined is one draw.
         .joined_loss = JoinedLoss::as_first,
