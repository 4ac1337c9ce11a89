// Forwarding: BPF programs at the ports of an underlay that put packets straight into the host
// that they are for, past the kernel's routing, or lead them to the machine that has it
// (bpf/underlay.bpf.c).
//
// (1) What it knows is replaced when a host comes anew, and never forgotten: a port that has gone
//     swallows what is for it, as no route would.
// (2) Programs and addresses live as long as a port has them, or we.
#pragma once

#include <array>
#include <cstdint>

#include <boost/asio/ip/address.hpp>

#include "base/file_descriptor.hh"
#include "bpf/shared/underlay.h"
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

    // Packets for this host leave by the interface `device` of the underlay, for the link address
    // of a machine. Throws.
    void lead_elsewhere(const keeper::Interface& host, std::uint32_t device,
                        const std::array<std::uint8_t, 6>& machine) const;

    // What comes in by `device` is for hosts of this machine and from a machine that is
    // trusted, or dropped. Throws.
    void admit(std::uint32_t device) const;

    // A machine at this address, IPv4 or IPv6, may send with this network number (VNI). Throws.
    void trust(const boost::asio::ip::address& machine, std::uint32_t network) const;

  private:
    void lead(const keeper::Interface& host, const underlay_port& port) const;

    FileDescriptor program_;
    FileDescriptor arrival_program_;
    FileDescriptor ports_;
    FileDescriptor machines_;  // closed where an earlier one has told of them
    FileDescriptor routes_;
};

}  // namespace pleat
