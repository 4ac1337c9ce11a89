// What `pleat machines` says to another machine's shell: to look, install, start, stop and
// remove a node there. Only texts are made and read here; cli/ssh_machine carries them.
//
// (1) All that is put there is in one directory of the account, but for the unit of a service
//     manager. The directory is made by us (never taken over), and has a file `mark`, which is
//     written first and removed last.
// (2) What is removed is what is listed here by name, and only where the mark names the machine.
// (3) A process is stopped only when its command line begins with our program in our directory.
// (4) A script is read whole before any of it runs: it comes on standard input, where the
//     token is, too, since command lines can be seen by all users.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hh"

namespace pleat {

// Who keeps a node running there.
enum class RemoteManager : std::uint8_t { none, user, system };

struct InstalledNode {  // by an earlier `machines add --ssh`
    std::string name;
    std::string version;
    std::string controller;

    friend bool operator==(const InstalledNode&, const InstalledNode&) = default;
};

struct RemoteAccount {
    std::string home;
    std::string architecture;  // as uname -m says it
    std::string node_name;     // as uname -n says it
    RemoteManager manager = RemoteManager::none;
    std::optional<InstalledNode> installed;
    std::string other_membership;  // the file, when a node was installed there by hand

    friend bool operator==(const RemoteAccount&, const RemoteAccount&) = default;
};

// Where everything is on that machine.
struct RemotePlaces {
    std::string home;
    RemoteManager manager = RemoteManager::none;
    std::string unit_directory;  // of that manager

    std::string directory() const { return home + "/.local/lib/pleat/machine"; }

    std::string unit() const { return unit_directory + "/pleat-machine.service"; }
};

// What the node there is told.
struct RemoteNode {
    std::string name;
    std::string advertise;  // empty: by itself
    std::optional<std::uint32_t> room;
};

// What `ssh` may be given as a destination: nothing that it would take for an option.
Result<void> check_destination(std::string_view destination);

RemotePlaces places_of(const RemoteAccount& account);

// Changes nothing; says what parse_probe reads.
std::string probe_script();
Result<RemoteAccount> parse_probe(std::string_view text);

// Makes the directory and the mark.
std::string prepare_script(const RemotePlaces& places, const InstalledNode& mark);

// One line for a login shell of any kind: puts standard input into a file of the directory.
std::string upload_command(const RemotePlaces& places, std::string_view program);

// Tries the programs, joins, starts.
std::string install_script(const RemotePlaces& places, const RemoteNode& node,
                           std::string_view version, std::string_view token);

// Stops, and removes what was put there.
std::string remove_script(const RemotePlaces& places, std::string_view name);

std::string logs_script(const RemotePlaces& places);
// The log in what that has written, without what the login shell said before.
std::string log_in(std::string_view said);

std::string unit_text(const RemotePlaces& places, const RemoteNode& node);

}  // namespace pleat
