// Underlay: what carries packets from host to host when a kernel plane shapes them: a
// router in a network namespace of the run's own. Each host's `pleat0` is one end of a
// veth pair, the other end is a port of the router, with one route for each address.
//
// (1) The namespace has no name and lives as long as any descriptor of it: the node's
//     and the keepers'. The kernel dissolves it, ports and all, with the last.
// (2) No host asks for link addresses (IFF_NOARP; both ends of a pair have the same), so
//     there is no ARP, no neighbour discovery, and no broadcast to all.
// (3) What is for no host goes to the outside host, if there is one, and else nowhere,
//     silently. Broadcast and multicast go nowhere.
// (4) The router has no address: no host can reach it.
// (5) Where the kernel takes BPF programs packets go past the router's routing, and no TTL is
//     decremented (forwarding.hh). Elsewhere the routing does all, and each is one less.
// (6) To hosts of other machines packets go by VXLAN (vxlan.hh), where (5) holds.
//
// Why not a bridge: docs/design/underlay.md.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/file_descriptor.hh"
#include "node/keeper/interface.hh"

namespace pleat {

class Forwarding;
struct VxlanSettings;

class [[nodiscard]] Underlay {
  public:
    // Throws when the namespace can't be made.
    Underlay();
    // One that keepers have held, with what it leaves(), if they have that.
    explicit Underlay(FileDescriptor network_namespace,
                      std::map<std::string, FileDescriptor> left = {});
    Underlay(Underlay&&) = delete;
    ~Underlay();

    int network_namespace() const { return namespace_.value(); }

    // What must outlive this process, beside the namespace, for another to go on with it.
    std::map<std::string, int> leaves() const;

    // An earlier process's: hosts that it has led to need it no more.
    bool goes_on() const { return goes_on_; }

    // Makes `pleat0` in the namespace `host`. Keepers do this for themselves; it is for
    // hosts that have none. Throws.
    void plug(const keeper::Interface& interface, int host) const;

    // A keeper has plugged its host in: rule (5) for this one.
    void lead_to(const keeper::Interface& interface) const;

    // From the machine's namespace: rule (6). Throws Failure.
    void reach(VxlanSettings settings) const;

    // Whether a packet's TTL is the same when it arrives.
    bool keeps_ttl() const { return forwarding_ != nullptr; }

  private:
    void open_forwarding();

    FileDescriptor namespace_;
    bool goes_on_ = false;
    std::unique_ptr<Forwarding> forwarding_;
};

}  // namespace pleat
