// pleat doctor: what this machine can do, which data plane a run would have, and why.
#include <algorithm>

#include <fmt/format.h>

#include "base/capabilities.hh"
#include "cli/commands.hh"
#include "cli/json.hh"

namespace pleat {
namespace {

constexpr std::size_t kNameWidth = 24;

struct Choice {
    std::string data_plane;  // empty: none
    std::string reason;
};

Choice choose_data_plane(bool machine_is_fit) {
    if (machine_is_fit) {
        return {.data_plane = "tun",
                .reason = "TUN devices work; edt and netem are not in this version"};
    }
    return {.data_plane = {}, .reason = "tun needs what is marked ✘ above"};
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
    const std::vector<Probe> probes = probe_machine();
    const bool fit = std::ranges::all_of(probes, [](const Probe& p) { return p.ok || !p.needed; });
    const Choice choice = choose_data_plane(fit);
    if (arguments.json) {
        output.data(doctor_document(probes, choice.data_plane, choice.reason));
    } else {
        std::string text;
        for (const Probe& probe : probes) text += line_of(probe, output);
        text += fmt::format("data plane: {} ({})\n",
                            choice.data_plane.empty() ? "none" : choice.data_plane, choice.reason);
        output.data(text);
    }
    return fit ? ExitCode::ok : ExitCode::missing_privilege;
}

}  // namespace pleat
