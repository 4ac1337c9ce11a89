#include "cli/ssh_scripts.hh"

#include <algorithm>
#include <array>
#include <map>

#include <fmt/format.h>

namespace pleat {
namespace {

constexpr std::string_view kPrefix = "pleat:";  // what a login shell writes by itself has none

bool is_plain(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' ||
           c == '.' || c == '_' || c == '-';
}

// Stands for itself in shells and in units.
bool is_plain_path(std::string_view path) {
    return path.starts_with('/') && std::ranges::all_of(path, is_plain);
}

std::string quoted(std::string_view text) {
    std::string result = "'";
    for (const char c : text) {
        if (c == '\'') {
            result += "'\\''";
        } else {
            result += c;
        }
    }
    return result + "'";
}

std::string systemctl(RemoteManager manager) {
    return manager == RemoteManager::user ? "systemctl --user" : "systemctl";
}

// A user's manager is found by this variable, which not every ssh server sets.
constexpr std::string_view kRuntimeDirectory =
    "export XDG_RUNTIME_DIR=\"${XDG_RUNTIME_DIR:-/run/user/$(id -u)}\"\n";

std::string node_arguments(const RemotePlaces& places, const RemoteNode& node) {
    std::string text = fmt::format("--state {}/state --name {}", places.directory(), node.name);
    if (!node.advertise.empty()) text += " --advertise " + node.advertise;
    if (node.room) text += fmt::format(" --hosts {}", *node.room);
    return text;
}

// Directories that may have to be made, outermost first.
std::string parents(const RemotePlaces& places) {
    std::string list = fmt::format("{0}/.local {0}/.local/lib {0}/.local/lib/pleat", places.home);
    if (places.manager == RemoteManager::user) {
        list +=
            fmt::format(" {0}/.config {0}/.config/systemd {0}/.config/systemd/user", places.home);
    }
    return list;
}

std::string parents_inside_out(const RemotePlaces& places) {
    std::string list = fmt::format("{0}/.local/lib/pleat {0}/.local/lib {0}/.local", places.home);
    if (places.manager == RemoteManager::user) {
        list +=
            fmt::format(" {0}/.config/systemd/user {0}/.config/systemd {0}/.config", places.home);
    }
    return list;
}

std::string start_lines(const RemotePlaces& places, const RemoteNode& node) {
    if (places.manager == RemoteManager::none) {
        return fmt::format(
            R"sh(session=$(command -v setsid || true)
$session "$d/pleat-node" {} </dev/null >>"$d/node.log" 2>&1 &
echo $! >"$d/pid"
)sh",
            node_arguments(places, node));
    }
    return fmt::format(
        R"sh({runtime}cat >{unit} <<'END_OF_UNIT'
{text}END_OF_UNIT
{systemctl} daemon-reload </dev/null
{systemctl} enable --now pleat-machine.service </dev/null
)sh",
        fmt::arg("runtime", kRuntimeDirectory), fmt::arg("unit", places.unit()),
        fmt::arg("text", unit_text(places, node)),
        fmt::arg("systemctl", systemctl(places.manager)));
}

}  // namespace

Result<void> check_destination(std::string_view destination) {
    const bool good =
        !destination.empty() && !destination.starts_with('-') &&
        std::ranges::none_of(destination, [](char c) { return c >= 0 && (c <= ' ' || c == 127); });
    if (good) return {};
    return fail(
        fmt::format("'{}' is no destination for ssh: expected USER@HOST or HOST", destination));
}

RemotePlaces places_of(const RemoteAccount& account) {
    RemotePlaces places{.home = account.home, .manager = account.manager, .unit_directory = {}};
    if (account.manager == RemoteManager::system) places.unit_directory = "/etc/systemd/system";
    if (account.manager == RemoteManager::user) {
        places.unit_directory = account.home + "/.config/systemd/user";
    }
    return places;
}

// A user's manager ends with the last login unless the user lingers; we do not change that.
std::string probe_script() {
    return fmt::format(R"sh({{
export LC_ALL=C
{runtime}echo "pleat:home=$HOME"
echo "pleat:architecture=$(uname -m)"
echo "pleat:node_name=$(uname -n)"
manager=none
if [ -d /run/systemd/system ] && command -v systemctl >/dev/null; then
    if [ "$(id -u)" = 0 ]; then
        manager=system
    elif [ "$(loginctl show-user "$(id -un)" -p Linger --value 2>/dev/null </dev/null)" = yes ] &&
        systemctl --user show-environment >/dev/null 2>&1 </dev/null; then
        manager=user
    fi
fi
d=$HOME/.local/lib/pleat/machine
if [ -e "$d" ]; then
    echo "pleat:directory=$d"
    [ -r "$d/mark" ] && sed 's/^/pleat:mark_/' "$d/mark"
    manager_then=$(sed -n 's/^manager=//p' "$d/mark" 2>/dev/null)
    manager=${{manager_then:-$manager}}
fi
echo "pleat:manager=$manager"
other=${{XDG_STATE_HOME:-$HOME/.local/state}}/pleat/node/membership
[ "$(id -u)" = 0 ] && other=/var/lib/pleat/node/membership
[ -e "$other" ] && echo "pleat:other=$other"
echo "pleat:end=yes"
exit 0
}}
)sh",
                       fmt::arg("runtime", kRuntimeDirectory));
}

Result<RemoteAccount> parse_probe(std::string_view text) {
    std::map<std::string, std::string, std::less<>> said;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        const std::size_t equals = line.find('=');
        if (!line.starts_with(kPrefix) || equals == std::string_view::npos) continue;
        said.emplace(line.substr(kPrefix.size(), equals - kPrefix.size()), line.substr(equals + 1));
    }
    if (!said.contains("end")) return fail("its shell did not do what it was told");
    RemoteAccount account{.home = said["home"],
                          .architecture = said["architecture"],
                          .node_name = said["node_name"],
                          .installed = {},
                          .other_membership = said["other"]};
    if (!is_plain_path(account.home)) {
        return fail(fmt::format(
            "its home directory '{}' is not what we can work with: expected a path of letters, "
            "digits, '/', '.', '_' and '-'",
            account.home));
    }
    if (said["manager"] == "system") account.manager = RemoteManager::system;
    if (said["manager"] == "user") account.manager = RemoteManager::user;
    if (said.contains("mark_name")) {
        account.installed = InstalledNode{.name = said["mark_name"],
                                          .version = said["mark_version"],
                                          .controller = said["mark_controller"]};
    } else if (said.contains("directory")) {
        return fail(
            fmt::format("{} is there and not of pleat's making: move it away", said["directory"]));
    }
    return account;
}

std::string prepare_script(const RemotePlaces& places, const InstalledNode& mark) {
    constexpr std::array<std::string_view, 3> kManagers{"none", "user", "system"};
    return fmt::format(R"sh({{
set -u
umask 077
d={directory}
made=
for p in {parents}; do
    [ -d "$p" ] && continue
    mkdir "$p" || exit 1
    made="$made$p
"
done
mkdir "$d" || exit 1
{{ printf 'name=%s\nversion=%s\ncontroller=%s\nmanager=%s\n' {name} {version} {controller} {manager}
  printf '%s' "$made" | sed 's/^/made=/'; }} >"$d/mark" || {{ rm -f "$d/mark"; rmdir "$d"; exit 1; }}
exit 0
}}
)sh",
                       fmt::arg("directory", places.directory()),
                       fmt::arg("parents", parents(places)), fmt::arg("name", quoted(mark.name)),
                       fmt::arg("version", quoted(mark.version)),
                       fmt::arg("controller", quoted(mark.controller)),
                       fmt::arg("manager", kManagers.at(static_cast<std::size_t>(places.manager))));
}

std::string upload_command(const RemotePlaces& places, std::string_view program) {
    return fmt::format("cat > {}/{}", places.directory(), program);
}

std::string install_script(const RemotePlaces& places, const RemoteNode& node,
                           std::string_view version, std::string_view token) {
    return fmt::format(R"sh({{
set -eu
umask 077
d={directory}
chmod 700 "$d/pleat-node" "$d/pleat-keeper"
if ! said=$("$d/pleat-node" --version 2>&1 </dev/null); then
    echo "pleat-node does not run there: $said" >&2
    echo "it needs the libraries of the machine that it was built on: install them there (README)" >&2
    exit 1
fi
if [ "$said" != 'pleat-node {version}' ]; then
    echo "expected pleat-node {version} there, found: $said" >&2
    exit 1
fi
"$d/pleat-node" --join - --join-only {arguments} <<'END_OF_TOKEN'
{token}
END_OF_TOKEN
{start}exit 0
}}
)sh",
                       fmt::arg("directory", places.directory()), fmt::arg("version", version),
                       fmt::arg("arguments", node_arguments(places, node)),
                       fmt::arg("token", token), fmt::arg("start", start_lines(places, node)));
}

std::string remove_script(const RemotePlaces& places, std::string_view name) {
    std::string stop = R"sh(pid=$(cat "$d/pid" 2>/dev/null)
ours() {
    [ -n "$pid" ] || return 1
    [ "$({ tr '\0' '\n' <"/proc/$pid/cmdline" | head -n 1; } 2>/dev/null)" = "$d/pleat-node" ]
}
if ours; then
    kill "$pid" || exit 1
    tries=0
    while ours && [ $tries -lt 300 ]; do
        sleep 0.2
        tries=$((tries + 1))
    done
    if ours; then
        echo "process $pid does not end: nothing was removed" >&2
        exit 1
    fi
fi
)sh";
    if (places.manager != RemoteManager::none) {
        stop = fmt::format(R"sh({runtime}u={unit}
if [ -f "$u" ]; then
    grep -q "^ExecStart=$d/pleat-node " "$u" || {{ echo "$u is not of our making" >&2; exit 1; }}
    {systemctl} disable --now pleat-machine.service </dev/null || exit 1
    rm -f -- "$u" || exit 1
    {systemctl} daemon-reload </dev/null
fi
)sh",
                           fmt::arg("runtime", kRuntimeDirectory), fmt::arg("unit", places.unit()),
                           fmt::arg("systemctl", systemctl(places.manager)));
    }
    return fmt::format(R"sh({{
set -u
d={directory}
grep -qxF {name} "$d/mark" || {{ echo "$d/mark does not say {plain}: nothing was removed" >&2; exit 1; }}
{stop}rm -rf -- "$d/state" || exit 1
rm -f -- "$d/pleat-node" "$d/pleat-keeper" "$d/node.log" "$d/pid" || exit 1
made=$(sed -n 's/^made=//p' "$d/mark")
others=$(ls -A "$d" | grep -vx mark)
if [ -n "$others" ]; then
    echo "$d has files that are not of our making, and stays:" $others >&2
    exit 1
fi
rm -f -- "$d/mark" && rmdir "$d" || exit 1
for p in {parents}; do
    printf '%s\n' "$made" | grep -qxF "$p" && rmdir "$p" 2>/dev/null
done
exit 0
}}
)sh",
                       fmt::arg("directory", places.directory()),
                       fmt::arg("name", quoted(fmt::format("name={}", name))),
                       fmt::arg("plain", name), fmt::arg("stop", stop),
                       fmt::arg("parents", parents_inside_out(places)));
}

std::string logs_script(const RemotePlaces& places) {
    return fmt::format("{{ echo {0}log=; cat {1}/node.log; exit; }}\n", kPrefix,
                       places.directory());
}

std::string log_in(std::string_view said) {
    const std::string line = fmt::format("{}log=\n", kPrefix);
    const std::size_t begin = said.find(line);
    return begin == std::string_view::npos ? std::string{}
                                           : std::string{said.substr(begin + line.size())};
}

std::string unit_text(const RemotePlaces& places, const RemoteNode& node) {
    return fmt::format(
        R"sh(# Made by `pleat machines add --ssh`; `pleat machines rm {name} --ssh` removes it.
[Unit]
Description=pleat node {name}

[Service]
ExecStart={directory}/pleat-node {arguments}
StandardOutput=append:{directory}/node.log
StandardError=append:{directory}/node.log
Restart=on-failure
KillMode=process
TimeoutStopSec=60
LimitNOFILE=65536

[Install]
WantedBy={target}
)sh",
        fmt::arg("name", node.name), fmt::arg("directory", places.directory()),
        fmt::arg("arguments", node_arguments(places, node)),
        fmt::arg("target",
                 places.manager == RemoteManager::user ? "default.target" : "multi-user.target"));
}

}  // namespace pleat
