#include "node/dataplane/open_plane.hh"

#include <algorithm>
#include <utility>

#include "base/capabilities.hh"
#include "base/log.hh"
#include "node/dataplane/edt/edt_plane.hh"
#include "node/dataplane/greeting_plane.hh"
#include "node/dataplane/kernel/bpffs.hh"
#include "node/dataplane/netem/netem_plane.hh"
#include "node/dataplane/recording_plane.hh"
#include "node/dataplane/tun_plane.hh"
#include "node/underlay/underlay.hh"
#include "node/underlay/vxlan.hh"

namespace pleat {

namespace {

std::string missing_for_hosts() {
    const Probe namespaces = probe_network_namespaces();
    return namespaces.ok ? "" : namespaces.text;
}

// What joins the hosts of kernel planes.
std::string missing_for_underlay() {
    try {
        const Underlay underlay;
        const Underlay host;
        underlay.plug(keeper::Interface{.ipv4 = 0x0a000001, .ipv6 = {0xfd, 1}},
                      host.network_namespace());
    } catch (const std::exception& error) {
        return error.what();
    }
    return "";
}

std::string in_one_line(std::string text) {
    while (text.ends_with('\n')) text.pop_back();
    std::replace(text.begin(), text.end(), '\n', ' ');
    std::replace(text.begin(), text.end(), '\t', ' ');
    return text;
}

// What is in force can be taken over, if this kernel has a bpffs for us.
std::unique_ptr<DataPlane> open_edt(PlaneContext context) {
    EdtPlaneOptions options;
    if (auto left = context.left.extract(kEdtPins)) {
        options.pins = std::move(left.mapped());
        options.adopt = true;
    } else {
        try {
            options.pins = open_private_bpffs(context.run);
        } catch (const std::exception& error) {
            log::warn(R"(a node daemon that dies could not be replaced reason="{}")", error.what());
        }
    }
    return open_edt_plane(std::move(context), std::move(options));
}

std::unique_ptr<DataPlane> open_netem(PlaneContext context) {
    const bool is_own = context.bare_metal.has_value();
    return open_netem_plane(std::move(context), NetemOptions{.pass_unknown = is_own});
}

}  // namespace

std::string missing_for(PlaneKind plane) {
    std::string missing = missing_for_hosts();
    if (missing.empty() && is_of_kernel(plane)) missing = missing_for_underlay();
    if (!missing.empty()) return missing;
    switch (plane) {
        case PlaneKind::edt:
            return missing_for_edt();
        case PlaneKind::netem:
            return missing_for_netem();
        case PlaneKind::recording:
        case PlaneKind::tun:
            break;
    }
    const Probe tun = probe_tun();
    return tun.ok ? "" : tun.text;
}

PlaneKind plane_that_left(const std::map<std::string, FileDescriptor>& left) {
    if (left.contains(kEdtPins)) return PlaneKind::edt;
    if (left.contains(kNetemMemory)) return PlaneKind::netem;
    return PlaneKind::tun;
}

std::unique_ptr<DataPlane> open_plane(PlaneKind plane, PlaneContext context) {
    if (!is_of_kernel(plane)) {
        return plane == PlaneKind::recording ? open_recording_plane(std::move(context))
                                             : open_tun_plane(std::move(context));
    }
    boost::asio::io_context& loop = context.loop;
    std::optional<TunnelSettings> tunnel = std::exchange(context.tunnel, std::nullopt);
    std::unique_ptr<DataPlane> opened =
        plane == PlaneKind::edt ? open_edt(std::move(context)) : open_netem(std::move(context));
    if (!tunnel) return opened;
    return open_greeting_plane(loop, std::move(opened), *std::move(tunnel));
}

std::string missing_for_machines() {
    std::string reasons;
    for (const PlaneKind plane : {PlaneKind::edt, PlaneKind::netem}) {
        const std::string missing = missing_for(plane);
        if (missing.empty()) return missing_for_vxlan();
        reasons += (reasons.empty() ? "" : "; ") + std::string{name_of(plane)} + ": " + missing;
    }
    return reasons;
}

std::string plane_probe_lines() {
    std::string lines;
    for (const PlaneKind plane : kPlaneKinds) {
        const std::string missing = in_one_line(missing_for(plane));
        lines +=
            std::string{name_of(plane)} + (missing.empty() ? "\tworks" : "\tlacks\t" + missing);
        lines += '\n';
    }
    const std::string missing = in_one_line(missing_for_machines());
    lines +=
        "machines" + (missing.empty() ? std::string{"\tworks\n"} : "\tlacks\t" + missing + '\n');
    return lines;
}

}  // namespace pleat
