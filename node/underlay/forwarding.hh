// Forwarding: a BPF program at the ports of an underlay that puts packets straight into the host
// that they are for, past the kernel's routing (bpf/underlay.bpf.c).
//
// (1) What it knows is replaced when a host comes anew, and never forgotten: a port that has gone
//     swallows what is for it, as no route would.
// (2) Program and addresses live as long as a port has them, or we.
#pragma once

#include <array>
#include <cstdint>

#include "base/file_descriptor.hh"
#include "node/keeper/interface.hh"

namespace pleat {

class Forwarding {
  public:
    // Throws Failure when the kernel has no such programs.
    explicit Forwarding(int underlay);

    // What an earlier one has at the ports: program and addresses. Nothing is changed.
    Forwarding(int underlay, FileDescriptor program, FileDescriptor ports);

    int program() const { return program_.value(); }

    int ports() const { return ports_.value(); }

    // The host has been plugged in. Throws when its port can't have the program.
    void add(const keeper::Interface& interface) const;

  private:
    void lead(const std::array<std::uint8_t, 16>& address, std::uint32_t host) const;

    FileDescriptor program_;
    FileDescriptor ports_;
    FileDescriptor routes_;
};

}  // namespace pleat
