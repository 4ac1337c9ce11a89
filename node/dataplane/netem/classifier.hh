// Classifier: the BPF program of the `netem` plane, loaded once, and its maps. An interface
// that has it is a source, with a row for each destination.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/duration.hh"
#include "base/file_descriptor.hh"
#include "bpf/shared/netem.h"
#include "model/addressing.hh"
#include "node/dataplane/data_plane.hh"
#include "node/dataplane/kernel/event_ring.hh"
#include "node/dataplane/kernel/mapped_array.hh"

namespace pleat {

class Classifier {
  public:
    // Of hosts 0 .. hosts - 1. Throws Failure with the verifier's words when the kernel does
    // not take the program. `fake_time`: the clock is control().fake_now_ns; for tests.
    // `bare_metal`: the interfaces are machines' own.
    Classifier(const AddressPlan& addresses, std::size_t hosts, bool pass_unknown, Duration idle,
               bool fake_time = false, const std::optional<BareMetal>& bare_metal = {});
    // That another process has pinned there. Throws Failure when that is not all of one.
    Classifier(std::size_t hosts, std::string pins);
    Classifier(const Classifier&) = delete;
    Classifier& operator=(const Classifier&) = delete;
    ~Classifier();

    // Into a directory of a bpffs, with all sources from here on.
    void pin_in(std::string directory);

    int egress_program() const { return egress_.value(); }

    int cut_program() const { return cut_.value(); }

    // Rows of one source; none leads anywhere. Kept as long as the kernel or we need them.
    struct Source {
        std::uint16_t place = 0;
        FileDescriptor map;
        MappedArray<netem_row> rows;
    };

    // Throws Failure.
    std::unique_ptr<Source> add_source(std::uint16_t place);
    std::unique_ptr<Source> pinned_source(std::uint16_t place) const;
    void remove_source(const Source& source);

    void set_outside(std::uint32_t destination);

    const netem_totals& totals() const { return totals_[0]; }

    netem_control& control() { return control_[0]; }

    // Of netem_event.
    EventRing& events() { return *events_; }

  private:
    void open_maps();

    std::size_t hosts_;
    std::string pins_;  // empty: nothing is pinned
    FileDescriptor egress_;
    FileDescriptor cut_;
    FileDescriptor sources_;
    FileDescriptor control_map_;
    FileDescriptor totals_map_;
    FileDescriptor events_map_;
    MappedArray<netem_control> control_;
    MappedArray<netem_totals> totals_;
    std::optional<EventRing> events_;
};

}  // namespace pleat
