// pleat machines: who belongs to a controller, and how others join.
#include <filesystem>

#include <fmt/format.h>
#include <unistd.h>

#include "base/joined.hh"
#include "base/process.hh"
#include "cli/commands.hh"
#include "cli/controller_link.hh"
#include "cli/format.hh"
#include "cli/json.hh"
#include "cli/ssh_machine.hh"

namespace pleat {
namespace {

using namespace std::chrono_literals;

ExitCode failed(const LinkFailure& failure, Output& output) {
    output.error(failure.message);
    return failure.code;
}

std::string milliseconds(const std::optional<Duration>& duration) {
    if (!duration) return "-";
    return fmt::format("{:.2f} ms", std::chrono::duration<double, std::milli>{*duration}.count());
}

std::string machine_table(const Machines& machines) {
    std::vector<std::vector<std::string>> rows{
        {"MACHINE", "STATE", "VERSION", "HOSTS", "ROUND TRIP", "CLOCK", "LABELS"}};
    for (const MachineInfo& machine : machines.machines) {
        rows.push_back({machine.name, machine.connected ? "connected" : "away",
                        machine.version.empty() ? "-" : machine.version,
                        machine.room ? fmt::format("{}/{}", machine.hosts, *machine.room)
                                     : std::to_string(machine.hosts),
                        milliseconds(machine.round_trip),
                        machine.clock_error ? "± " + milliseconds(machine.clock_error) : "-",
                        joined(machine.labels, ",")});
    }
    return table(rows);
}

std::string rate_text(const std::optional<MeasuredRate>& rate) {
    if (!rate) return "-";
    const auto megabits = [](std::int64_t bps) { return static_cast<double>(bps) / 1e6; };
    return fmt::format("{:.4g} ± {:.2g} Mbit/s", megabits(rate->rate.bits_per_second()),
                       megabits(rate->error_bps));
}

std::string way_table(const Ways& ways) {
    std::vector<std::vector<std::string>> rows{
        {"FROM", "TO", "ROUND TRIP", "MEDIAN", "MTU", "RATE THERE", "RATE BACK", "MEASURED"}};
    for (const WayInfo& way : ways.ways) {
        if (!way.quality) {
            rows.push_back({way.from, way.to, "-", "-", "-", "-", "-", "never"});
            continue;
        }
        rows.push_back({way.from, way.to, milliseconds(way.quality->round_trips.least),
                        milliseconds(way.quality->round_trips.median),
                        std::to_string(way.quality->mtu.bytes()), rate_text(way.quality->there),
                        rate_text(way.quality->back), way.measured_at});
    }
    return table(rows);
}

// All there, and every two of them reach each other?
ExitCode check(const MachinesArguments& arguments, ControllerLink& link, Output& output) {
    const auto answer = [&output](const ControlMessage& message) {
        const auto* const stage = std::get_if<Stage>(&message);
        if (stage != nullptr) output.progress(fmt::format("  {:<10} {}", stage->name, stage->text));
        return std::holds_alternative<Ways>(message);
    };
    const auto found =
        link.ask_for(CheckMachines{.despite_runs = arguments.despite_runs}, answer, false);
    if (!found) return failed(found.error(), output);
    const Ways& ways = std::get<Ways>(*found);
    const auto machines = link.ask<Machines>(ListMachines{});
    if (!machines) return failed(machines.error(), output);
    if (arguments.json) {
        output.data(machines_document(*machines, ways));
    } else {
        output.data(machine_table(*machines));
        if (!ways.ways.empty()) output.data("\n" + way_table(ways));
    }
    bool good = true;
    for (const MachineInfo& machine : machines->machines) {
        if (machine.connected) continue;
        output.error(fmt::format("machine {} is not connected", machine.name));
        good = false;
    }
    for (const WayInfo& way : ways.ways) {
        if (!way.note.empty()) {
            output.warning(fmt::format("{} - {}: {}", way.from, way.to, way.note));
        }
        if (way.problem.empty()) continue;
        output.error(fmt::format("{} - {}: {}", way.from, way.to, way.problem));
        good = false;
    }
    return good ? ExitCode::ok : ExitCode::machine_lost;
}

// An operator's key is kept; a machine's is the node's business, which takes our place.
ExitCode join(const MachinesArguments& arguments, Output& output) {
    const Result<JoinString> string = parse_join(arguments.object);
    if (!string) {
        output.error(string.error().message);
        return ExitCode::usage;
    }
    if (!string->for_operator) {
        const std::optional<std::string> node = find_sibling_program("pleat-node");
        if (!node) {
            output.error("cannot find pleat-node beside pleat or in PATH");
            return ExitCode::failed;
        }
        std::vector<std::string> words{*node, "--join", arguments.object};
        if (!arguments.name.empty()) words.insert(words.end(), {"--name", arguments.name});
        std::vector<char*> pointers;
        pointers.reserve(words.size() + 1);
        for (std::string& word : words) pointers.push_back(word.data());
        pointers.push_back(nullptr);
        ::execv(node->c_str(), pointers.data());
        output.error(fmt::format("cannot start {}", *node));
        return ExitCode::failed;
    }
    const Result<Membership> membership = join_controller(*string, {}, 15s);
    if (!membership) {
        output.error(membership.error().message);
        return ExitCode::controller_unreachable;
    }
    write_membership(operator_file(string->endpoint), *membership);
    output.note(fmt::format("this user may give orders to the controller: --controller {}",
                            string->endpoint));
    return ExitCode::ok;
}

}  // namespace

ExitCode execute(const MachinesArguments& arguments, Output& output) {
    using Action = MachinesArguments::Action;
    if (arguments.action == Action::join) return join(arguments, output);
    const Result<ControllerPlace> place = find_controller(arguments.controller);
    if (!place) {
        output.error(place.error().message);
        return ExitCode::controller_unreachable;
    }
    if (arguments.action == Action::logs || !arguments.ssh.empty()) {
        return execute_by_ssh(arguments, *place, output);
    }
    if (arguments.action == Action::add && arguments.object.empty()) {
        output.error("machines add: NAME is required without --ssh");
        return ExitCode::usage;
    }
    ControllerLink link{*place};
    switch (arguments.action) {
        case Action::check:
            return check(arguments, link, output);
        case Action::list: {
            const auto machines = link.ask<Machines>(ListMachines{});
            if (!machines) return failed(machines.error(), output);
            output.data(arguments.json ? machines_document(*machines) : machine_table(*machines));
            return ExitCode::ok;
        }
        case Action::token:
        case Action::add: {
            const auto token = link.ask<Token>(MakeToken{.for_operator = arguments.for_operator});
            if (!token) return failed(token.error(), output);
            output.data(token->text + "\n");
            if (arguments.for_operator) {
                output.note("once, elsewhere: pleat machines join STRING");
            } else {
                output.note(fmt::format("once, on the machine: pleat-node --join STRING --name {}",
                                        arguments.object.empty() ? "NAME" : arguments.object));
            }
            return ExitCode::ok;
        }
        case Action::remove: {
            const auto done = link.ask<Done>(RemoveMachine{.name = arguments.object});
            return done ? ExitCode::ok : failed(done.error(), output);
        }
        case Action::label: {
            const auto done =
                link.ask<Done>(LabelMachine{.name = arguments.object, .labels = arguments.labels});
            return done ? ExitCode::ok : failed(done.error(), output);
        }
        case Action::join:
        case Action::logs:
            break;
    }
    return ExitCode::failed;
}

}  // namespace pleat
