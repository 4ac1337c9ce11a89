#include "cli/ssh_machine.hh"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.hh"
#include "base/error.hh"
#include "base/file_descriptor.hh"
#include "base/files.hh"
#include "base/process.hh"
#include "base/result.hh"
#include "cli/ssh_scripts.hh"
#include "wire/messages.hh"

namespace pleat {
namespace {

using namespace std::chrono_literals;

constexpr int kSshFailed = 255;     // ssh's own exit code; others are the command's
constexpr Duration kPatience = 1h;  // for one command: a slow line carries programs
constexpr Duration kUntilConnected = 20s;
constexpr Duration kBetweenLooks = 200ms;
constexpr std::string_view kWhatItSaid = "(what it said is above)";

FileDescriptor memory_file(std::string_view content) {
    FileDescriptor file{check("cannot make a file in memory", ::memfd_create("ssh", MFD_CLOEXEC))};
    while (!content.empty()) {
        const ssize_t n = ::write(file.value(), content.data(), content.size());
        check("cannot write to memory", static_cast<int>(std::min<ssize_t>(n, 1)));
        content.remove_prefix(static_cast<std::size_t>(n));
    }
    ::lseek(file.value(), 0, SEEK_SET);
    return file;
}

std::string content_of(const FileDescriptor& file) {
    struct stat facts{};
    check("cannot look at ssh's output", ::fstat(file.value(), &facts));
    std::string text(static_cast<std::size_t>(facts.st_size), '\0');
    const ssize_t n = ::pread(file.value(), text.data(), text.size(), 0);
    text.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
    return text;
}

// Commands on one destination. What they say on standard error is shown as it comes: there ssh
// speaks to the user, too.
class Ssh {
  public:
    explicit Ssh(std::string destination) : destination_{std::move(destination)} {}

    const std::string& destination() const { return destination_; }

    // What the script has written; fails when ssh or the script does.
    Result<std::string> script(const std::string& text) const {
        return command("sh", memory_file(text));
    }

    Result<std::string> command(const std::string& line, const FileDescriptor& input) const {
        const FileDescriptor written = memory_file({});
        Command command;
        command.arguments = {"ssh", "-T", "-o", "ConnectTimeout=15", "--", destination_, line};
        command.descriptors = {{input.value(), 0}, {written.value(), 1}};
        Result<Child> child = Child::start(command);
        if (!child) {
            return fail(fmt::format("{}: is openssh-client installed?", child.error().message));
        }
        const std::optional<ExitStatus> status = child->wait_until(monotonic_now() + kPatience);
        if (!status) return fail(fmt::format("ssh to {} does not end", destination_));
        if (status->code() == kSshFailed) {
            return fail(fmt::format("ssh does not reach {} {}: try `ssh {}`", destination_,
                                    kWhatItSaid, destination_));
        }
        if (status->code() != 0) {
            return fail(
                fmt::format("{}: a step there {} {}", destination_, status->text(), kWhatItSaid));
        }
        return content_of(written);
    }

    Result<void> upload(const RemotePlaces& places, const std::string& program) const {
        const std::optional<std::string> path = find_sibling_program(program);
        if (!path) return fail(fmt::format("cannot find {} beside pleat or in PATH", program));
        const FileDescriptor file{::open(path->c_str(), O_RDONLY | O_CLOEXEC)};
        if (!file.open()) return fail(fmt::format("cannot read {}", *path));
        const auto done = command(upload_command(places, program), file);
        if (!done) return tl::unexpected{done.error()};
        return {};
    }

  private:
    std::string destination_;
};

// How this user reaches a machine of a controller.
std::string destination_file(const std::string& endpoint, const std::string& name) {
    return operator_file(endpoint) + ".machines/" + name;
}

std::string remembered_destination(const std::string& endpoint, const std::string& name) {
    std::string text = read_file(destination_file(endpoint, name)).value_or("");
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
}

void remember(const std::string& endpoint, const std::string& name,
              const std::string& destination) {
    const std::string file = destination_file(endpoint, name);
    make_private_directory(std::filesystem::path{file}.parent_path().string());
    write_secret_file(file, destination + "\n");
}

bool forms_a_name(const std::string& name) {
    return !name.empty() && name.front() != '-' && name.front() != '.' &&
           std::ranges::all_of(name, [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '_' || c == '.';
           });
}

bool forms_an_address(const std::string& address) {
    return std::ranges::all_of(address, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '.' || c == ':' || c == '[' || c == ']';
    });
}

bool knows(const Machines& machines, const std::string& name) {
    return std::ranges::find(machines.machines, name, &MachineInfo::name) !=
           machines.machines.end();
}

ExitCode failed(const LinkFailure& failure, Output& output) {
    output.error(failure.message);
    return failure.code;
}

ExitCode failed(const Error& error, Output& output) {
    output.error(error.message);
    return ExitCode::failed;
}

Result<RemoteAccount> look(const Ssh& ssh) {
    const Result<std::string> said = ssh.script(probe_script());
    if (!said) return tl::unexpected{said.error()};
    Result<RemoteAccount> account = parse_probe(*said);
    if (!account) return fail(ssh.destination() + ": " + account.error().message);
    return account;
}

// Why nothing is installed there.
std::optional<std::string> objection(const RemoteAccount& account, const std::string& destination) {
    if (account.installed) {
        return fmt::format(
            "{0} is a machine already: {1}, pleat {2}, of the controller at {3}. Remove it first: "
            "pleat machines rm {1} --ssh={0}",
            destination, account.installed->name, account.installed->version,
            account.installed->controller);
    }
    if (!account.other_membership.empty()) {
        return fmt::format(
            "{} has a pleat-node that was installed by hand ({}): it is left alone, and there is "
            "no second one beside it",
            destination, account.other_membership);
    }
    utsname own{};
    check("cannot ask what this machine is", ::uname(&own));
    if (account.architecture != own.machine) {
        return fmt::format("{} is of another kind ({}, this machine is {}): build pleat there",
                           destination, account.architecture, own.machine);
    }
    return std::nullopt;
}

// Whether the controller hears it in time.
tl::expected<bool, LinkFailure> comes(ControllerLink& link, const std::string& name) {
    const Instant deadline = monotonic_now() + kUntilConnected;
    boost::asio::io_context loop;
    while (true) {
        const auto machines = link.ask<Machines>(ListMachines{});
        if (!machines) return tl::unexpected{machines.error()};
        const bool there = std::ranges::any_of(machines->machines, [&](const MachineInfo& machine) {
            return machine.name == name && machine.connected;
        });
        if (there || monotonic_now() > deadline) return there;
        boost::asio::steady_timer{loop, kBetweenLooks}.wait();
    }
}

Result<void> install(const Ssh& ssh, const RemotePlaces& places, const RemoteNode& node,
                     ControllerLink& link, Output& output) {
    for (const char* const program : {"pleat-node", "pleat-keeper"}) {
        output.progress(fmt::format("copying {} to {}", program, ssh.destination()));
        if (const Result<void> done = ssh.upload(places, program); !done) return done;
    }
    // Made last, so that it is used at once or not at all.
    const auto token = link.ask<Token>(MakeToken{});
    if (!token) return fail(token.error().message);
    output.progress(fmt::format("starting the node on {}", ssh.destination()));
    const auto done = ssh.script(install_script(places, node, PLEAT_VERSION, token->text));
    if (!done) return tl::unexpected{done.error()};
    return {};
}

std::string kept_by(const RemotePlaces& places) {
    if (places.manager == RemoteManager::none) {
        return "a process of its own; it does not start again with the machine";
    }
    return fmt::format("the unit {}", places.unit());
}

ExitCode add(const MachinesArguments& arguments, const ControllerPlace& place, Output& output) {
    const Ssh ssh{arguments.ssh};
    const Result<RemoteAccount> account = look(ssh);
    if (!account) return failed(account.error(), output);
    if (const auto why_not = objection(*account, ssh.destination())) {
        output.error(*why_not);
        return ExitCode::failed;
    }
    RemoteNode node{.name = arguments.name.empty() ? arguments.object : arguments.name,
                    .advertise = arguments.advertise,
                    .room = arguments.room};
    if (node.name.empty()) node.name = account->node_name.substr(0, account->node_name.find('.'));
    if (!forms_a_name(node.name)) {
        output.error(fmt::format(
            "'{}' can't be a machine's name: give --name with letters, digits, '-', '_' or '.'",
            node.name));
        return ExitCode::usage;
    }
    ControllerLink link{place};
    const auto machines = link.ask<Machines>(ListMachines{});
    if (!machines) return failed(machines.error(), output);
    if (knows(*machines, node.name)) {
        output.error(
            fmt::format("there is a machine {0} already: give another --name, or remove "
                        "that one first (pleat machines rm {0})",
                        node.name));
        return ExitCode::failed;
    }
    const RemotePlaces places = places_of(*account);
    const auto prepared = ssh.script(prepare_script(
        places, {.name = node.name, .version = PLEAT_VERSION, .controller = place.endpoint}));
    if (!prepared) return failed(prepared.error(), output);
    if (const Result<void> done = install(ssh, places, node, link, output); !done) {
        output.error(done.error().message);
        const auto undone = ssh.script(remove_script(places, node.name));
        if (!undone) {
            output.error(
                fmt::format("what was put there is still in {}: pleat machines rm {} "
                            "--ssh={}",
                            places.directory(), node.name, ssh.destination()));
        }
        return ExitCode::failed;
    }
    remember(place.endpoint, node.name, ssh.destination());
    const auto there = comes(link, node.name);
    output.progress({});
    if (!there) return failed(there.error(), output);
    if (!*there) {
        output.error(
            fmt::format("{0} has joined, but its node is not heard: see pleat machines "
                        "logs {0}; pleat machines rm {0} --ssh takes it away again",
                        node.name));
        return ExitCode::machine_lost;
    }
    output.data(node.name + "\n");
    output.note(fmt::format("{} runs on {} in {}, kept by {}", node.name, ssh.destination(),
                            places.directory(), kept_by(places)));
    return ExitCode::ok;
}

ExitCode take_away(const MachinesArguments& arguments, const Ssh& ssh, const ControllerPlace& place,
                   Output& output) {
    const std::string& name = arguments.object;
    const Result<RemoteAccount> account = look(ssh);
    if (!account) return failed(account.error(), output);
    if (!account->installed || account->installed->name != name) {
        output.error(
            fmt::format("{} was not made a machine {} by pleat machines add --ssh: nothing "
                        "was removed",
                        ssh.destination(), name));
        return ExitCode::not_found;
    }
    if (account->installed->controller != place.endpoint) {
        output.error(
            fmt::format("{0} on {1} was added to the controller at {2}: give --controller "
                        "{2}. Nothing was removed",
                        name, ssh.destination(), account->installed->controller));
        return ExitCode::not_found;
    }
    // First here, where it is refused while runs have hosts there.
    ControllerLink link{place};
    const auto machines = link.ask<Machines>(ListMachines{});
    if (!machines) return failed(machines.error(), output);
    if (knows(*machines, name)) {
        const auto done = link.ask<Done>(RemoveMachine{.name = name});
        if (!done) return failed(done.error(), output);
    } else {
        output.note(fmt::format("the controller knows no machine {}", name));
    }
    const RemotePlaces places = places_of(*account);
    const auto removed = ssh.script(remove_script(places, name));
    if (!removed) {
        output.error(fmt::format("{}; {} is still there: try again", removed.error().message,
                                 places.directory()));
        return ExitCode::failed;
    }
    std::error_code gone_already;
    std::filesystem::remove(destination_file(place.endpoint, name), gone_already);
    output.note(fmt::format("{} is stopped, and {} is removed from {}", name, places.directory(),
                            ssh.destination()));
    return ExitCode::ok;
}

ExitCode logs(const MachinesArguments& arguments, const Ssh& ssh, Output& output) {
    const Result<RemoteAccount> account = look(ssh);
    if (!account) return failed(account.error(), output);
    if (!account->installed || account->installed->name != arguments.object) {
        output.error(fmt::format("{} was not made a machine {} by pleat machines add --ssh",
                                 ssh.destination(), arguments.object));
        return ExitCode::not_found;
    }
    const Result<std::string> text = ssh.script(logs_script(places_of(*account)));
    if (!text) return failed(text.error(), output);
    output.data(log_in(*text));
    return ExitCode::ok;
}

}  // namespace

ExitCode execute_by_ssh(const MachinesArguments& arguments, const ControllerPlace& place,
                        Output& output) {
    using Action = MachinesArguments::Action;
    if (arguments.action != Action::add && !forms_a_name(arguments.object)) {
        output.error(fmt::format("'{}' can't be a machine's name", arguments.object));
        return ExitCode::usage;
    }
    const bool by_memory = arguments.ssh.empty() || arguments.ssh == kRememberedDestination;
    const std::string destination =
        by_memory ? remembered_destination(place.endpoint, arguments.object) : arguments.ssh;
    if (destination.empty()) {
        output.error(fmt::format("this user has not added {0} by ssh: give --ssh=USER@HOST",
                                 arguments.object));
        return ExitCode::not_found;
    }
    if (const Result<void> good = check_destination(destination); !good) {
        output.error(good.error().message);
        return ExitCode::usage;
    }
    if (!forms_an_address(arguments.advertise)) {
        output.error(fmt::format("'{}' is no address", arguments.advertise));
        return ExitCode::usage;
    }
    if (arguments.action == Action::add) return add(arguments, place, output);
    const Ssh ssh{destination};
    if (arguments.action == Action::remove) return take_away(arguments, ssh, place, output);
    return logs(arguments, ssh, output);
}

}  // namespace pleat
