// EdtObject: the edt plane's BPF programs and their maps, loaded or taken over from where
// they are pinned. What the numbers in the arrays mean is in bpf/shared/edt.h.
//
// (1) An object that exists is loaded. No epoch is in force yet: every begins_at is
//     EDT_NEVER, so that everything to a known destination is unreachable.
// (2) The arrays are the kernel's own memory: what is stored is what the program sees.
// (3) Programs and maps live as long as anyone holds them: this object, a filter that is
//     attached, or a pin.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/file_descriptor.hh"
#include "bpf/shared/edt.h"
#include "model/ids.hh"
#include "node/dataplane/kernel/event_ring.hh"

namespace pleat {

// What an object is made for.
struct EdtSetup {
    std::uint32_t sources = 1;       // hosts of this machine; at most EDT_SOURCES_MAX
    std::uint32_t destinations = 1;  // hosts of the experiment
    std::uint32_t uplinks = 1;       // first links of the hosts of this machine
    std::uint64_t seed = 0;
    bool test_program = false;                  // load it, too
    bool fake_clock = false;                    // in tests: control().fake_now_ns is the time
    bool attached = false;                      // to machines' own interfaces
    std::vector<std::uint16_t> spared_ports{};  // of TCP and UDP, when attached
};

class EdtObject {
  public:
    // Throws Failure when the kernel can't or won't: what is missing, or the program's
    // name with the end of the verifier's log.
    static EdtObject load(const EdtSetup& setup);

    // What another process has pinned there; throws Failure when that is not all of an
    // object, or of another layout.
    static EdtObject adopt(const std::string& directory);

    EdtObject(EdtObject&&) noexcept;
    EdtObject& operator=(EdtObject&&) noexcept;
    EdtObject(const EdtObject&) = delete;
    EdtObject& operator=(const EdtObject&) = delete;
    ~EdtObject();

    // Pins all programs and maps into a directory of a bpffs ("/proc/self/fd/N" for one
    // that has only a descriptor). What is pinned there by these names is replaced.
    void pin(const std::string& directory) const;

    // Undoes pin(); what is not there is no error.
    static void unpin(const std::string& directory);

    std::uint32_t sources() const { return sources_; }

    std::uint32_t destinations() const { return destinations_; }

    std::uint32_t uplinks() const { return uplinks_; }

    std::uint32_t path(std::uint32_t source, std::uint32_t destination) const {
        return source * destinations_ + destination;
    }

    // Kernel memory of all maps together.
    std::uint64_t memory_bytes() const;

    // The rows of one epoch buffer, by path and by uplink.
    std::span<edt_path> paths(unsigned slot);
    std::span<edt_uplink> uplinks(unsigned slot);

    // By path: a time per byte, as in edt_path. 0 is no cap.
    std::span<std::uint64_t> caps();

    // By destination, in ns.
    std::span<std::uint64_t> early();

    std::span<const edt_counters> counters() const;  // by path
    edt_control& control();

    // Of all processors together.
    edt_totals totals() const;

    // Which host the source of this place is: its draws depend on it.
    void set_source(std::uint32_t place, HostId host);

    // Packets to this address (IPv4: host byte order) go to `destination`. Throws Failure
    // when there is no room: there is room for two addresses of each version a destination.
    void add_address(std::uint32_t ipv4, HostId destination);
    void add_address(const std::array<std::uint8_t, 16>& ipv6, HostId destination);
    void remove_address(std::uint32_t ipv4);  // that is not there: nothing happens
    void remove_address(const std::array<std::uint8_t, 16>& ipv6);

    // For cls_bpf with direct action: at clsact egress of a host's interface, with classid
    // EDT_CLASSID(source).
    int egress_program() const { return egress_.value(); }

    // At clsact ingress of a host that is cut off: nothing passes, and it is counted as
    // unreachable.
    int drop_all_program() const { return drop_all_.value(); }

    // The egress program's second pass, for BPF_PROG_TEST_RUN: the classid is cb[4]. -1
    // unless it was asked for.
    int test_program() const { return test_.value(); }

    // Of edt_event.
    EventRing& events() const;

  private:
    struct Maps;

    EdtObject();

    std::uint32_t sources_ = 0;
    std::uint32_t destinations_ = 0;
    std::uint32_t uplinks_ = 0;
    FileDescriptor egress_;
    FileDescriptor drop_all_;
    FileDescriptor test_;
    std::unique_ptr<Maps> maps_;
};

}  // namespace pleat
