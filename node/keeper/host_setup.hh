// What a keeper makes of itself: namespaces, mounts, names, sysctls. Nothing outside of
// the host's own namespaces changes.
#pragma once

#include <string>
#include <string_view>

#include "node/keeper/protocol.hh"

namespace pleat::keeper {

// Enters namespaces of its own (the PID namespace is there already), with mounts that
// nobody else sees. Throws.
void enter_namespaces();

// Host name, /proc, /etc/hosts and the like. What is not needed by all and was refused is
// added to `notes`. Throws.
void name_host(const Setup& setup, std::string& notes);

// Sysctls of the namespace that every host has, and the user's; before the interface is
// made, which inherits from them. Throws when one of the user's is refused.
void set_sysctls(const Setup& setup, std::string& notes);

}  // namespace pleat::keeper
