// pleat doctor: what this machine can do, which data plane a run would have, and why.
#include <algorithm>

#include <fmt/format.h>

#include "base/capabilities.hh"
#include "base/process.hh"
#include "cli/commands.hh"
#include "cli/json.hh"
#include "cli/plane_probes.hh"

namespace pleat {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kNameWidth = 26;
// Loading and attaching everything takes well under a second on hardware.
constexpr Duration kPatience = 30s;

std::string hint_for(PlaneKind plane) {
    switch (plane) {
        case PlaneKind::edt:
            return "edt needs root, BPF and fq (modprobe sch_fq): stock kernels of Debian have "
                   "them";
        case PlaneKind::netem:
            return "netem needs HTB and netem (modprobe sch_htb sch_netem)";
        case PlaneKind::recording:
        case PlaneKind::tun:
            break;
    }
    return "tun needs /dev/net/tun and network namespaces";
}

Probe row_of(const PlaneProbe& probe) {
    return {.name = fmt::format("data plane {}", name_of(probe.plane)),
            .ok = probe.missing.empty(),
            .needed = false,
            .text = probe.missing.empty() ? "works" : probe.missing,
            .hint = probe.missing.empty() ? "" : hint_for(probe.plane)};
}

Probe machines_row(const std::string& missing) {
    return {.name = "edt, netem over machines",
            .ok = missing.empty(),
            .needed = false,
            .text = missing.empty() ? "by VXLAN, which is neither authenticated nor encrypted"
                                    : missing,
            .hint =
                "on several machines it would be tun; kernel planes need root and VXLAN (modprobe "
                "vxlan) on each"};
}

// One row a plane, and one of several machines; when they can't be probed, one row that says why.
std::vector<Probe> rows_of(const Result<PlaneProbes>& planes) {
    std::vector<Probe> rows;
    if (!planes) {
        return {{.name = "data planes",
                 .ok = false,
                 .needed = true,
                 .text = "pleat-node can't probe them: " + planes.error().message,
                 .hint = ""}};
    }
    for (const PlaneProbe& probe : planes->planes) rows.push_back(row_of(probe));
    if (planes->missing_for_machines) rows.push_back(machines_row(*planes->missing_for_machines));
    return rows;
}

Result<PlaneProbes> planes_of_machine() {
    const auto node = find_sibling_program("pleat-node");
    if (!node) return fail("it is neither beside pleat nor in PATH");
    return probe_planes(*node, kPatience);
}

std::string line_of(const Probe& probe, const Output& output) {
    std::string mark = output.green("✔");
    if (!probe.ok) mark = probe.needed ? output.red("✘") : output.yellow("–");
    std::string line = fmt::format("{} {}{}\n", mark, padded(probe.name, kNameWidth), probe.text);
    if (!probe.ok && !probe.hint.empty()) {
        line += fmt::format("  {}{}\n", padded("", kNameWidth), probe.hint);
    }
    return line;
}

}  // namespace

ExitCode execute(const DoctorArguments& arguments, Output& output) {
    output.progress("probing this machine");
    std::vector<Probe> probes = probe_machine();
    const Result<PlaneProbes> planes = planes_of_machine();
    std::string data_plane;
    std::string reason = "no plane could be probed";
    if (planes) {
        const auto choice = choice_among(planes->planes);
        if (const auto* const chosen = std::get_if<PlaneChoice>(&choice)) {
            data_plane = name_of(chosen->plane);
            reason = chosen->reason;
        } else {
            reason = std::get<PlaneRefusal>(choice).message;
        }
    }
    // Kernel planes do without it.
    const bool in_kernel = !data_plane.empty() && data_plane != name_of(PlaneKind::tun);
    for (Probe& probe : probes) {
        if (in_kernel && probe.name == "/dev/net/tun") probe.needed = false;
    }
    std::ranges::move(rows_of(planes), std::back_inserter(probes));
    const bool fit = !data_plane.empty() &&
                     std::ranges::all_of(probes, [](const Probe& p) { return p.ok || !p.needed; });
    if (arguments.json) {
        output.data(doctor_document(probes, data_plane, reason));
    } else {
        std::string text;
        for (const Probe& probe : probes) text += line_of(probe, output);
        text +=
            fmt::format("data plane: {} ({})\n", data_plane.empty() ? "none" : data_plane, reason);
        output.data(text);
    }
    return fit ? ExitCode::ok : ExitCode::missing_privilege;
}

}  // namespace pleat
